// Preconditioning: what stands between a network F and the denoiser D(x; σ) = c_skip x + c_out F(c_in x; c_noise).
//
// The rows of Table 1 of Karras et al. 2022 (arXiv 2206.00364), and v. They differ in what F has to answer: the noise (eps),
// the noise in another form of x (ve), or a mixture of noise and image (edm, v). What the network is told about σ is a choice
// of its own: any of them goes with any time input.
#pragma once

#include <cmath>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>

#include "diffusion/named.h"
#include "diffusion/schedule.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {

struct QuarterLogSigma {    // EDM's
    static constexpr std::string_view name = "quarter_log_sigma";
    template <class S>
    S c_noise(const S& sigma) const {
        using std::log;
        return log(sigma) / 4;
    }
};

struct SigmaItself {    // the course's
    static constexpr std::string_view name = "sigma";
    template <class S>
    S c_noise(const S& sigma) const {
        return sigma;
    }
};

// 0: the network is never told, and must see for itself how noisy its input is.
struct NoTime {
    static constexpr std::string_view name = "none";
    template <class S>
    S c_noise(const S& sigma) const {
        if constexpr (std::is_same_v<S, Tensor>)
            return zeros_like(sigma);
        else
            return 0;
    }
};

// c_noise(σ). A schedule says its t, in its authors' units.
using TimeInput = std::variant<QuarterLogSigma, SigmaItself, NoTime, CosineSchedule, LinearSchedule, VpSchedule, VeSchedule>;

// S: double, or a Tensor (N, 1, 1, 1) of each image's own σ.
template <class S>
S c_noise(const TimeInput& time_input, const S& sigma) {
    return std::visit([&](const auto& input) { return input.c_noise(sigma); }, time_input);
}

// σ at a schedule's time t, and the time of σ; nothing of a time input that is no schedule, or one whose times go beyond 1 (ve).
std::optional<double> sigma_at(const TimeInput& schedule, double t);
std::optional<double> time_at(const TimeInput& schedule, double sigma);

// What all of the following have. S as above; σ is in units of the data's range. With `mean` set to the data's mean, the
// formulas act on x - mean and D - mean. λ, the weight of the training loss, is 1 / c_out²: every noise level costs the same at
// first.

// EDM: network input and target have unit variance at every noise level. σ_data is the standard deviation of the training
// images about their mean. Without the mean the variances are exactly 1; with it in the images, as in the paper and the
// course, the standard deviations are 1.02 and 1.03 on Fashion-MNIST.
struct EdmPreconditioner {
    static constexpr std::string_view name = "edm";

    double sigma_data = 0.5;
    double mean = 0;
    TimeInput time_input = QuarterLogSigma{};

    template <class S>
    S c_skip(const S& sigma) const {
        return sq(sigma_data) / (sq(sigma) + sq(sigma_data));
    }
    template <class S>
    S c_out(const S& sigma) const {
        using std::sqrt;
        return sigma * sigma_data / sqrt(sq(sigma) + sq(sigma_data));
    }
    template <class S>
    S c_in(const S& sigma) const {
        using std::sqrt;
        return 1 / sqrt(sq(sigma) + sq(sigma_data));
    }
    template <class S>
    S weight(const S& sigma) const {
        return 1 / sq(c_out(sigma));
    }
};

// F answers ε, the noise in x_t = √ᾱ x = c_in x, of which λ(σ) makes a plain mean squared error: DDPM's, Ho et al. 2020
// (arXiv 2006.11239).
struct EpsPreconditioner {
    static constexpr std::string_view name = "eps";

    double mean = 0;
    TimeInput time_input = CosineSchedule{};

    template <class S>
    double c_skip(const S&) const {
        return 1;
    }
    template <class S>
    S c_out(const S& sigma) const {
        return -sigma;
    }
    template <class S>
    S c_in(const S& sigma) const {
        using std::sqrt;
        return 1 / sqrt(sq(sigma) + 1);    // √ᾱ
    }
    template <class S>
    S weight(const S& sigma) const {
        return 1 / sq(sigma);
    }
};

// F answers v = √ᾱ ε - √(1-ᾱ) y: Salimans & Ho 2022 (arXiv 2202.00512). EDM's for σ_data = 1, with the other sign.
struct VPreconditioner {
    static constexpr std::string_view name = "v";

    double mean = 0;
    TimeInput time_input = CosineSchedule{};

    template <class S>
    S c_skip(const S& sigma) const {
        return 1 / (sq(sigma) + 1);
    }
    template <class S>
    S c_out(const S& sigma) const {
        using std::sqrt;
        return -sigma / sqrt(sq(sigma) + 1);
    }
    template <class S>
    S c_in(const S& sigma) const {
        using std::sqrt;
        return 1 / sqrt(sq(sigma) + 1);
    }
    template <class S>
    S weight(const S& sigma) const {
        return 1 / sq(c_out(sigma));
    }
};

// F sees x as it is, and answers -n.
struct VePreconditioner {
    static constexpr std::string_view name = "ve";

    double mean = 0;
    TimeInput time_input = VeSchedule{};

    template <class S>
    double c_skip(const S&) const {
        return 1;
    }
    template <class S>
    S c_out(const S& sigma) const {
        return sigma;
    }
    template <class S>
    double c_in(const S&) const {
        return 1;
    }
    template <class S>
    S weight(const S& sigma) const {
        return 1 / sq(sigma);
    }
};

// One of them, chosen while the program runs.
using Preconditioner = std::variant<EdmPreconditioner, EpsPreconditioner, VPreconditioner, VePreconditioner>;

inline double mean_of(const Preconditioner& p) {
    return std::visit([](const auto& row) { return row.mean; }, p);
}
inline const TimeInput& time_input_of(const Preconditioner& p) {
    return std::visit([](const auto& row) -> const TimeInput& { return row.time_input; }, p);
}
inline double weight(const Preconditioner& p, double sigma) {
    return std::visit([&](const auto& row) { return row.weight(sigma); }, p);
}
// The same with other settings than its defaults.
inline Preconditioner with(Preconditioner p, double mean, const TimeInput& time_input) {
    std::visit(
        [&](auto& row) {
            row.mean = mean;
            row.time_input = time_input;
        },
        p);
    return p;
}

}    // namespace lull
