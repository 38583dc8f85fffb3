#include "engine/random.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "engine/ops/random/kernels.h"

namespace lull {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    const auto [words] = philox_words({counter[0], counter[1], counter[2], counter[3]}, key[0], key[1]);
    return {words[0], words[1], words[2], words[3]};
}

namespace {
std::array<std::uint32_t, 2> halves(std::uint64_t value) {
    return {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)};
}
}    // namespace

std::array<std::uint32_t, 4> RandomStream::block(std::uint32_t number) const {
    const auto [bits] = words(number);
    return {bits[0], bits[1], bits[2], bits[3]};
}

double RandomStream::uniform(std::uint32_t position) const { return (block(position / 4)[position % 4] + 0.5) * 0x1p-32; }

// Box–Muller on the pair of integers that the position belongs to.
double RandomStream::normal(std::uint32_t position) const {
    const auto bits = block(position / 4);
    const std::size_t pair = position % 4 / 2 * 2;
    const double radius = std::sqrt(-2 * std::log((bits[pair] + 0.5) * 0x1p-32));
    const double angle = 2 * std::numbers::pi * ((bits[pair + 1] >> 8) * 0x1p-24);
    return radius * (position % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

namespace {
void check_fill(const char* name, const Tensor& y, std::span<const RandomStream> streams) {
    check(y.rank() >= 1 && y.is_contiguous() && y.size(0) == static_cast<std::int64_t>(streams.size()), name,
          "expected a contiguous tensor (N, …) and N streams, got ", y, " and ", streams.size());
}
}    // namespace

void fill_normal(Tensor& y, std::span<const RandomStream> streams) {
    check_fill("fill_normal", y, streams);
    dispatch(y, cpu::normal_fill, cuda::normal_fill)(streams, y);
}

void fill_uniform(Tensor& y, std::span<const RandomStream> streams) {
    check_fill("fill_uniform", y, streams);
    dispatch(y, cpu::uniform_fill, cuda::uniform_fill)(streams, y);
}

Tensor random_normal(const Shape& shape, const RandomStream& stream, DType dtype, Device device) {
    Tensor y = empty({1, shape.elements()}, dtype, device);
    fill_normal(y, {&stream, 1});
    return y.reshape(shape);
}

Tensor random_uniform(const Shape& shape, const RandomStream& stream, DType dtype, Device device) {
    Tensor y = empty({1, shape.elements()}, dtype, device);
    fill_uniform(y, {&stream, 1});
    return y.reshape(shape);
}

// The domain is the smallest power of four that holds the size, so a walk back into range takes fewer than four rounds of
// the network on average. It has at least 256 values: on a handful, six rounds do not reach all orders equally often.
std::uint64_t permuted(std::uint64_t position, std::uint64_t size, std::uint64_t seed, std::uint64_t epoch) {
    check(size > 0 && position < size && size < (1ull << 56), "permuted", "expected a position below the size, got ", position,
          " of ", size);
    const int half_bits = std::max(4, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2);
    const std::uint64_t mask = (1ull << half_bits) - 1;
    const auto [epoch_low, epoch_high] = halves(epoch);
    do {
        std::uint64_t left = position >> half_bits, right = position & mask;
        for (std::uint32_t round = 0; round < 6; ++round) {
            const std::uint32_t word = (round << 28) | static_cast<std::uint32_t>(right);
            const auto mixed = philox({word, static_cast<std::uint32_t>(Purpose::order), epoch_low, epoch_high}, halves(seed));
            left = std::exchange(right, left ^ (mixed[0] & mask));
        }
        position = left << half_bits | right;
    } while (position >= size);
    return position;
}

}    // namespace lull
