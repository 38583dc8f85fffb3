// Element types.
#pragma once

#include <bit>
#include <cstdint>
#include <ostream>
#include <string_view>
#include <type_traits>

#include "engine/error.h"

namespace lull {

// f32 is what everything computes in; bf16 is storage; f64 serves gradient checks; the integers are labels, indices and bytes.
enum class DType : std::uint8_t { f32, bf16, f64, i32, i64, u8 };

// The upper half of a float: 8 exponent bits, 7 of the mantissa. Conversion from float rounds to nearest, ties to even.
struct bf16 {
    std::uint16_t bits = 0;

    bf16() = default;
    explicit bf16(float value) {
        const auto u = std::bit_cast<std::uint32_t>(value);
        const bool is_nan = (u & 0x7fffffffu) > 0x7f800000u;
        bits = static_cast<std::uint16_t>(is_nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
    explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

// Calls f(T{}) with the C++ type that stands behind dtype: one templated lambda instead of a ladder of cases.
template <class F>
decltype(auto) with_dtype(DType dtype, F&& f) {
    switch (dtype) {
        case DType::f32:
            return f(float{});
        case DType::bf16:
            return f(bf16{});
        case DType::f64:
            return f(double{});
        case DType::i32:
            return f(std::int32_t{});
        case DType::i64:
            return f(std::int64_t{});
        case DType::u8:
            return f(std::uint8_t{});
    }
    fail("dtype", "unknown dtype ", static_cast<int>(dtype));
}

template <class T>
constexpr DType dtype_of() {
    if constexpr (std::is_same_v<T, float>)
        return DType::f32;
    else if constexpr (std::is_same_v<T, bf16>)
        return DType::bf16;
    else if constexpr (std::is_same_v<T, double>)
        return DType::f64;
    else if constexpr (std::is_same_v<T, std::int32_t>)
        return DType::i32;
    else if constexpr (std::is_same_v<T, std::int64_t>)
        return DType::i64;
    else {
        static_assert(std::is_same_v<T, std::uint8_t>, "not an element type");
        return DType::u8;
    }
}

inline int size_of(DType dtype) {
    return with_dtype(dtype, [](auto type) { return static_cast<int>(sizeof(type)); });
}

inline bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f64; }

inline std::string_view name_of(DType dtype) {
    constexpr std::string_view names[] = {"f32", "bf16", "f64", "i32", "i64", "u8"};
    return names[static_cast<int>(dtype)];
}

inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name_of(dtype); }

// Calls f(T{}) for the types that CPU kernels compute in. Throws Error, naming the operation, for any other.
template <class F>
decltype(auto) with_compute_dtype(std::string_view where, DType dtype, F&& f) {
    if (dtype == DType::f32) return f(float{});
    if (dtype == DType::f64) return f(double{});
    fail(where, "expected f32 or f64, got ", dtype, "; cast to f32 first");
}

// The same for CUDA kernels, whose elements are f32 or bf16; they compute in f32.
template <class F>
decltype(auto) with_device_dtype(std::string_view where, DType dtype, F&& f) {
    if (dtype == DType::f32) return f(float{});
    if (dtype == DType::bf16) return f(bf16{});
    fail(where, "expected f32 or bf16 on CUDA, got ", dtype);
}

}    // namespace lull
