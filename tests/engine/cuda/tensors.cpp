// Tensors on a CUDA device: there and back, views, types, and what is refused. Without a device, that it is said.
#include <doctest/doctest.h>

#include "engine/cuda/runtime.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/elementwise/elementwise.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

namespace lull::test {

TEST_CASE("a tensor on CUDA is refused where there is no device") {
    if (cuda::available()) return;
    CHECK_THROWS_WITH(empty({3}, DType::f32, Device::cuda), "[cuda] this build has no CUDA");
    CHECK_THROWS_AS(cuda::device_name(), Error);
}

TEST_CASE("tensors travel to CUDA and back, of every type and from any view") {
    if (!cuda::available()) return;
    const arena::Guard guard;
    {
        const Tensor x = uniform_values({3, 5, 7, 9}, 0, 200, 1);
        for (const DType dtype : {DType::f32, DType::bf16, DType::f64, DType::i32, DType::i64, DType::u8}) {
            CAPTURE(dtype);
            const Tensor typed = x.to(dtype), there = typed.to(Device::cuda);
            CHECK(there.device() == Device::cuda);
            CHECK(same_bits(there.to(Device::cpu), typed));
            CHECK(same_bits(x.to(Device::cuda).to(dtype).to(Device::cpu), typed));    // converted on the device
            CHECK(same_bits(there.transpose(0, 2).contiguous(), typed.transpose(0, 2)));
            CHECK(same_bits(there.slice(1, 1, 4).to(DType::f32), typed.slice(1, 1, 4).to(DType::f32)));
            CHECK(there.values() == typed.values());
            CHECK(same_bits(full({2, 3}, 7, dtype, Device::cuda), full({2, 3}, 7, dtype)));
        }
        const Tensor wide = uniform_values({1, 9}, -1, 1, 2), there = wide.to(Device::cuda);
        CHECK(same_bits(there.expand({4, 9}).contiguous(), wide.expand({4, 9}).contiguous()));
        const Tensor view = zeros({9, 4}, DType::f32, Device::cuda).transpose(0, 1);
        copy(wide.expand({4, 9}), view);    // from the CPU into a view with gaps
        CHECK(same_bits(view.contiguous(), wide.expand({4, 9}).contiguous()));
        CHECK(zeros({0, 3}, DType::f32, Device::cuda).to(Device::cpu).elements() == 0);
    }
    CHECK(guard.overruns() == 0);
}

TEST_CASE("sums and copies of views on CUDA, in vectors and one by one, are those of the CPU") {
    if (!cuda::available()) return;
    const Tensor x = uniform_values({3, 5, 4, 32}, -1, 1, 1), y = uniform_values({3, 5, 4, 32}, -1, 1, 2);
    for (const DType dtype : {DType::f32, DType::bf16}) {
        CAPTURE(dtype);
        const auto check_views = [&](const auto& view_of_from, const auto& view_of_to) {
            for (const bool add : {false, true}) {
                const auto result = [&](Device device) {
                    const Tensor to = y.to(dtype).to(device).clone(), from = x.to(dtype).to(device);
                    if (add)
                        accumulate(view_of_from(from), view_of_to(to));
                    else
                        copy(view_of_from(from), view_of_to(to));
                    return to;
                };
                CHECK(same_bits(result(Device::cuda), result(Device::cpu)));
            }
        };
        const auto all = [](const Tensor& t) { return t; };
        const auto flat = [](std::int64_t begin, std::int64_t end) {
            return [=](const Tensor& t) { return t.reshape({t.elements()}).slice(0, begin, end); };
        };
        const auto channels = [](std::int64_t begin, std::int64_t end) {
            return [=](const Tensor& t) { return t.slice(3, begin, end); };
        };
        const auto turned = [](const Tensor& t) { return t.transpose(1, 2); };
        check_views(all, all);
        check_views(flat(0, 1917), flat(0, 1917));    // an end that is no whole vector
        check_views(flat(1, 1918), flat(3, 1920));    // no vectors
        check_views(flat(7, 8), flat(9, 10));
        check_views(channels(8, 24), channels(16, 32));    // rows of vectors
        check_views(channels(4, 17), channels(8, 21));     // and of single elements
        check_views(turned, turned);
        check_views([](const Tensor& t) { return t.slice(1, 1, 5); }, [](const Tensor& t) { return t.slice(1, 0, 4); });
    }
    Tensor parts = zeros({40}, DType::f32, Device::cuda);
    fill(parts.slice(0, 3, 17), 5);
    const auto values = parts.values();
    for (std::size_t i = 0; i < 40; ++i) CHECK(values[i] == (i >= 3 && i < 17 ? 5 : 0));
}

TEST_CASE("memory can go while a kernel's complaint is pending") {
    if (!cuda::available()) return;
    const arena::Guard guard;
    {
        const Tensor x = zeros({3}, DType::f32, Device::cuda);
        *cuda::bad_index() = {.where = "test", .what = "labels", .limit = 1, .index = 2, .row = 0};
    }    // x's memory is looked at, which reports the label; that cannot be thrown from here, but counts as damage
    bool thrown = false;
    try {
        cuda::synchronize();
    } catch (const Error&) { thrown = true; }
    CHECK((thrown || guard.overruns() == 1));
}

TEST_CASE("gradients travel between devices") {
    if (!cuda::available()) return;
    Tensor x = uniform_values({4, 3}, -1, 1, 3);
    x.requires_grad();
    const Tensor there = x.to(Device::cuda);
    Tensor y = there.reshape({12}).slice(0, 3, 4).to(Device::cpu);
    y.reshape({}).backward();
    const auto grad = x.grad().values();
    for (std::size_t i = 0; i < grad.size(); ++i) CHECK(grad[i] == (i == 3 ? 1 : 0));
}

TEST_CASE("tensors of two devices do not mix") {
    if (!cuda::available()) return;
    const Tensor here = ones({2}), there = ones({2}, DType::f32, Device::cuda);
    CHECK_THROWS_WITH(here + there, "[device] expected all tensors on cpu, got f32 (2,) on cuda");
    CHECK_THROWS_WITH(there + here, "[device] expected all tensors on cuda, got f32 (2,) on cpu");
}

}    // namespace lull::test
