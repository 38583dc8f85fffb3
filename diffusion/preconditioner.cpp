#include "diffusion/preconditioner.h"

namespace lull {
namespace {

// f(schedule), if it is one.
template <class F>
std::optional<double> of_schedule(const TimeInput& input, const F& f) {
    return std::visit(
        [&](const auto& choice) -> std::optional<double> {
            if constexpr (requires { choice.most_time; })
                return f(choice);
            else
                return std::nullopt;
        },
        input);
}

}    // namespace

std::optional<double> sigma_at(const TimeInput& schedule, double t) {
    return of_schedule(schedule, [&](const auto& s) { return s.sigma(t); });
}

std::optional<double> time_at(const TimeInput& schedule, double sigma) {
    return of_schedule(schedule, [&](const auto& s) { return s.t(sigma); });
}

}    // namespace lull
