#include "engine/tensor.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <sstream>

#include "engine/ops/copy/copy.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

using Values = std::vector<double>;

// 0, 1, 2… in the given shape.
Tensor counted(const Shape& shape, DType dtype = DType::f32) {
    Values values(static_cast<std::size_t>(shape.elements()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
    return from_values(values, shape, dtype);
}

std::string printed(const Tensor& x) {
    std::ostringstream out;
    out << x;
    return out.str();
}

}    // namespace

// Not inlined, so that the extents are packed as they are in real code.
[[gnu::noinline]] static Shape shape_with_last_extent_zero() { return {2, 2, 2, 0}; }

TEST_CASE("a shape has the extents that it was given, also where compilers pack them wrongly") {
    const Shape shape = shape_with_last_extent_zero();
    CHECK(std::vector<std::int64_t>(shape.begin(), shape.end()) == std::vector<std::int64_t>{2, 2, 2, 0});
}

TEST_CASE("tensors are made from numbers") {
    CHECK(zeros({2, 2}).values() == Values(4, 0));
    CHECK(full({3}, 2.5, DType::f64).values() == Values(3, 2.5));
    CHECK(full({3}, 7, DType::u8).values() == Values(3, 7));
    CHECK(scalar(4).rank() == 0);
    CHECK(scalar(4).item() == 4);
    CHECK(empty({0, 3}).elements() == 0);
    CHECK(error_of([] { from_values({1, 2, 3}, {2, 2}); }) == "[from_values] expected 4 values for shape (2, 2), got 3");
    CHECK_THROWS_AS(empty({2, -1}), Error);
    CHECK_THROWS_AS(empty({std::int64_t{1} << 32, std::int64_t{1} << 32}), Error);    // 2^64 elements: 0 as an integer
    CHECK_THROWS_AS(zeros({2}).item(), Error);
}

TEST_CASE("a tensor prints its type and shape") {
    CHECK(printed(zeros({8, 32, 32, 1})) == "f32 (8, 32, 32, 1)");
    CHECK(printed(zeros({8}, DType::bf16)) == "bf16 (8,)");
    CHECK(printed(scalar(1, DType::f64)) == "f64 ()");
    CHECK(printed(Tensor()) == "an undefined tensor");
}

TEST_CASE("data() insists on the type") {
    CHECK(error_of([] { zeros({2}).data<double>(); }) == "[tensor] expected elements of f64, got f32 (2,)");
    CHECK_THROWS_AS(Tensor().data<float>(), Error);
}

TEST_CASE("an undefined tensor has nothing to copy or convert") {
    const Tensor none;
    CHECK(error_of([&] { none.clone(); }) == "[copy] expected two tensors, got an undefined tensor for f32 ()");
    CHECK_THROWS_AS(none.values(), Error);
    CHECK_THROWS_AS(none.item(), Error);
    CHECK_THROWS_AS(none.to(DType::f64), Error);
}

TEST_CASE("a copied handle and a view see the same elements, a clone does not") {
    Tensor x = counted({2, 3});
    const Tensor handle = x, view = x.reshape({6}), copied = x.clone();
    x.data<float>()[4] = 40;
    CHECK(handle.values()[4] == 40);
    CHECK(view.values()[4] == 40);
    CHECK(copied.values()[4] == 4);
}

TEST_CASE("slice, transpose and expand are views with the right elements") {
    const Tensor x = counted({2, 3, 2});
    CHECK(x.slice(1, 1, 3).values() == Values{2, 3, 4, 5, 8, 9, 10, 11});
    CHECK(x.slice(-1, 1, 2).values() == Values{1, 3, 5, 7, 9, 11});
    CHECK(x.transpose(0, 2).values() == Values{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11});
    CHECK(x.transpose(0, 2).shape() == Shape{2, 3, 2});
    CHECK(x.slice(0, 1, 2).expand({3, 3, 2}).values() == Values{6, 7, 8, 9, 10, 11, 6, 7, 8, 9, 10, 11, 6, 7, 8, 9, 10, 11});
    CHECK(scalar(3).expand({2, 2}).values() == Values(4, 3));
    CHECK(x.slice(1, 2, 2).elements() == 0);
    for (const Tensor& view : {x.slice(1, 1, 3), x.transpose(0, 2), x.expand({2, 3, 2})}) CHECK(view.storage() == x.storage());
}

TEST_CASE("a view is contiguous exactly when its elements lie side by side") {
    const Tensor x = counted({4, 3, 2});
    CHECK(x.slice(0, 1, 3).is_contiguous());
    CHECK(!x.slice(1, 0, 2).is_contiguous());
    CHECK(!x.transpose(0, 1).is_contiguous());
    CHECK(x.slice(0, 1, 2).transpose(0, 1).is_contiguous());    // an axis of extent 1 lies anywhere
    CHECK(!x.slice(0, 0, 1).expand({2, 3, 2}).is_contiguous());
    CHECK(x.transpose(0, 1).contiguous().is_contiguous());
    CHECK(x.contiguous().storage() == x.storage());
}

TEST_CASE("reshape keeps row-major order, and copies only where it must") {
    const Tensor x = counted({2, 3, 2});
    CHECK(x.reshape({3, -1}).shape() == Shape{3, 4});
    CHECK(x.reshape({12}).storage() == x.storage());
    const Tensor turned = x.transpose(0, 1).reshape({6, 2});
    CHECK(turned.storage() != x.storage());
    CHECK(turned.values() == Values{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11});
    CHECK(error_of([&] { x.reshape({5, 2}); }) == "[reshape] expected a shape of 12 elements for f32 (2, 3, 2), got (5, 2)");
    CHECK_THROWS_AS(x.reshape({5, -1}), Error);
    CHECK_THROWS_AS(x.reshape({-1, -1}), Error);
    CHECK_THROWS_AS(x.reshape({-3, -4}), Error);
    CHECK_THROWS_AS(empty({0, 3}).reshape({0, -1}), Error);
}

TEST_CASE("views refuse what is not there") {
    const Tensor x = counted({2, 3});
    CHECK_THROWS_AS(x.slice(1, 2, 4), Error);
    CHECK_THROWS_AS(x.slice(1, 2, 1), Error);
    CHECK_THROWS_AS(x.slice(2, 0, 1), Error);
    CHECK_THROWS_AS(x.transpose(0, 2), Error);
    CHECK_THROWS_AS(x.expand({4, 3}), Error);
    CHECK_THROWS_AS(x.expand({1, 2, 3}), Error);
    CHECK_THROWS_AS(ones({1}).expand({-2}), Error);
    CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1}), Error);
}

TEST_CASE("conversion between types") {
    const Tensor x = from_values({-1.5, 0, 2.75, 255}, {4}, DType::f64);
    CHECK(x.to(DType::f32).values() == x.values());
    CHECK(x.to(DType::i32).values() == Values{-1, 0, 2, 255});
    CHECK(x.slice(0, 1, 4).to(DType::u8).values() == Values{0, 2, 255});
    CHECK(x.to(DType::f64).storage() == x.storage());
    CHECK(counted({2, 3}).transpose(0, 1).to(DType::i64).values() == Values{0, 3, 1, 4, 2, 5});
}

// 1 + 2^-8 lies halfway between 1 and 1 + 2^-7, 1 + 3·2^-8 halfway between that and 1 + 2^-6.
TEST_CASE("bf16 rounds to nearest, ties to even") {
    const auto rounded = [](double value) { return from_values({value}, {}, DType::bf16).item(); };
    CHECK(rounded(1 + 0x1p-8) == 1);
    CHECK(rounded(1 + 0x1p-8 + 0x1p-20) == 1 + 0x1p-7);
    CHECK(rounded(1 + 3 * 0x1p-8) == 1 + 0x1p-6);
    CHECK(rounded(-3.140625) == -3.140625);
    CHECK(rounded(3.4e38) == std::numeric_limits<double>::infinity());
    CHECK(std::isnan(rounded(std::nan(""))));
}

TEST_CASE("every bf16 survives a conversion to f32 and back") {
    int changed = 0;
    for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
        bf16 number;
        number.bits = static_cast<std::uint16_t>(bits);
        const auto wide = static_cast<float>(number);
        const bf16 back(wide);
        const bool same = std::isnan(wide) ? std::isnan(static_cast<float>(back)) : back.bits == number.bits;
        if (!same) ++changed;    // zeros and infinities of both signs and subnormal numbers among them
    }
    CHECK(changed == 0);
    for (const std::uint32_t nan : {0x7f800001u, 0xff80ffffu, 0x7fffffffu}) {    // what rounding would make infinite, or zero
        CHECK(std::isnan(static_cast<float>(bf16(std::bit_cast<float>(nan)))));
    }
}

TEST_CASE("copy and accumulate go between any strides") {
    const Tensor x = counted({2, 3});
    const Tensor y = zeros({3, 2}).transpose(0, 1);
    copy(x, y);
    CHECK(y.values() == x.values());
    accumulate(x, y);
    CHECK(y.values() == Values{0, 2, 4, 6, 8, 10});
    CHECK_THROWS_AS(copy(x, zeros({3, 2})), Error);
    CHECK_THROWS_AS(accumulate(x, zeros({2, 3}, DType::f64)), Error);
}

TEST_CASE("views pass gradients through") {
    run({"reshape", [](const Inputs& in) { return in[0].reshape({4, -1}); }, {.shapes = {{{2, 6, 3}}}}});
    run({"slice", [](const Inputs& in) { return in[0].slice(1, 2, 5); }, {.shapes = {{{2, 6, 3}}}}});
    run({"transpose", [](const Inputs& in) { return in[0].transpose(0, -1); }, {.shapes = {{{2, 6, 3}}}}});
    run({"expand", [](const Inputs& in) { return in[0].expand({2, 6, 3}); }, {.shapes = {{{2, 1, 3}}, {{1, 1, 1}}, {{}}}}});
    run({"clone", [](const Inputs& in) { return in[0].clone(); }, {.shapes = {{{2, 3}}}}});
    run({"to", [](const Inputs& in) { return in[0].to(DType::f64).to(in[0].dtype()); }, {.shapes = {{{2, 3}}}}});
}
