#include "diffusion/preconditioner.h"

#include <doctest/doctest.h>

#include "diffusion/denoiser.h"
#include "diffusion/gaussian_mixture.h"
#include "engine/random.h"
#include "tests/support/compare.h"

namespace lull {
namespace {

constexpr double kLevels[] = {0.002, 0.05, 0.3, 0.6636, 1, 7, 80};

Tensor zero_network(const Tensor& x, const Tensor&) { return zeros_like(x); }

}    // namespace

TEST_CASE("EDM's weight cancels the output scale at every noise level") {
    const EdmPreconditioner edm{.sigma_data = 0.6636};
    for (const double sigma : kLevels) CHECK(edm.weight(sigma) * sq(edm.c_out(sigma)) == doctest::Approx(1).epsilon(1e-14));
}

TEST_CASE("EDM's coefficients have the values of Table 1") {
    const EdmPreconditioner edm{.sigma_data = 0.5};
    // σ = 1.2 makes √(σ² + σ_d²) = 1.3.
    CHECK(edm.c_skip(1.2) == doctest::Approx(0.25 / 1.69).epsilon(1e-14));
    CHECK(edm.c_out(1.2) == doctest::Approx(0.6 / 1.3).epsilon(1e-14));
    CHECK(edm.c_in(1.2) == doctest::Approx(1 / 1.3).epsilon(1e-14));
    CHECK(edm.weight(1.2) == doctest::Approx(1.69 / 0.36).epsilon(1e-14));
    CHECK(c_noise(edm.time_input, 1.2) == doctest::Approx(0.045580389198488).epsilon(1e-12));
}

TEST_CASE("the course's time input is sigma itself") {
    const EdmPreconditioner edm{.time_input = SigmaItself{}};
    CHECK(c_noise(edm.time_input, 80.0) == 80);
    CHECK(c_noise(edm.time_input, full({2, 1, 1, 1}, 80)).values() == std::vector<double>{80, 80});
}

TEST_CASE("the coefficients of a tensor of noise levels are those of its numbers") {
    const EdmPreconditioner edm{.sigma_data = 0.6636};
    const Tensor sigma = from_values(kLevels, {7, 1, 1, 1}, DType::f64);
    const auto agree = [&](const Tensor& tensor, auto formula) {
        CHECK(tensor.shape() == sigma.shape());
        const std::vector<double> values = tensor.values();
        for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == doctest::Approx(formula(kLevels[i])).epsilon(1e-14));
    };
    agree(edm.c_skip(sigma), [&](double s) { return edm.c_skip(s); });
    agree(edm.c_out(sigma), [&](double s) { return edm.c_out(s); });
    agree(edm.c_in(sigma), [&](double s) { return edm.c_in(s); });
    agree(c_noise(edm.time_input, sigma), [&](double s) { return c_noise(edm.time_input, s); });
    agree(edm.weight(sigma), [&](double s) { return edm.weight(s); });
}

TEST_CASE("a network that answers 0 makes the exact denoiser of one Gaussian") {
    // The best linear denoiser is c_skip's whole purpose; with the mean taken out it holds about any mean.
    const EdmPreconditioner edm{.sigma_data = 0.7, .mean = -0.5};
    const GaussianMixture gaussian({{.weight = 1, .mean = {-0.5, -0.5, -0.5}, .std = 0.7}});
    const Tensor x = random_normal({4, 1, 3, 1}, {.seed = 1}, DType::f64);
    const Denoiser D = denoiser(zero_network, edm);
    for (const double sigma : kLevels) {
        const std::vector<double> ours = D(x, sigma).values(), exact = gaussian.denoise(x, sigma).values();
        for (std::size_t i = 0; i < ours.size(); ++i) CHECK(ours[i] == doctest::Approx(exact[i]).epsilon(1e-13));
    }
}

TEST_CASE("the network sees scaled images and one number per image") {
    const EdmPreconditioner edm{.sigma_data = 0.5, .mean = 0.25};
    const Tensor x = full({2, 3, 4, 1}, 1.55);
    const Network network = [](const Tensor& in, const Tensor& c_noise) {
        CHECK(in.shape() == Shape{2, 3, 4, 1});
        CHECK(in.values()[0] == doctest::Approx(1).epsilon(1e-6));    // (1.55 - 0.25) / 1.3
        CHECK(c_noise.shape() == Shape{2});
        CHECK(c_noise.values()[1] == doctest::Approx(0.0455804).epsilon(1e-6));
        return zeros_like(in);
    };
    denoise(network, edm, x, 1.2);
    denoise(network, edm, x, full({2, 1, 1, 1}, 1.2));
}

TEST_CASE("images may have noise levels of their own") {
    const EdmPreconditioner edm{.sigma_data = 0.5};
    const Network network = [](const Tensor& in, const Tensor& c_noise) { return in * c_noise.reshape({-1, 1, 1, 1}); };
    const Tensor x = random_normal({2, 3, 3, 1}, {.seed = 2}, DType::f64);
    const std::vector<double> both = denoise(network, edm, x, from_values({0.1, 7}, {2, 1, 1, 1}, DType::f64)).values();
    const std::vector<double> low = denoise(network, edm, x, 0.1).values(), high = denoise(network, edm, x, 7.0).values();
    for (std::size_t i = 0; i < both.size(); ++i) CHECK(both[i] == doctest::Approx(i < 9 ? low[i] : high[i]).epsilon(1e-13));
}

TEST_CASE("ε-prediction takes the network's noise out of x, which it sees with its variance kept") {
    const EpsPreconditioner eps;
    CHECK(eps.c_in(0.75) == doctest::Approx(0.8).epsilon(1e-14));    // 1/√(1 + σ²) = √ᾱ
    CHECK(eps.weight(0.5) == doctest::Approx(4).epsilon(1e-14));
    const Tensor x = random_normal({2, 3, 3, 1}, {.seed = 2}, DType::f64);
    const Network network = [](const Tensor& in, const Tensor& t) {
        CHECK(t.values()[1] == doctest::Approx(0.5).epsilon(1e-14));    // the cosine schedule's at σ = 1
        return 0.3 * in;
    };
    const Tensor D = denoise(network, eps, x, 1.0);
    CHECK(test::absolute_error(D, x - 1.0 * (0.3 / std::sqrt(2.0) * x)) < 1e-15);
    CHECK(test::absolute_error(denoise(network, eps, x, full({2, 1, 1, 1}, 1, DType::f64)), D) < 1e-15);
}

TEST_CASE("v-prediction is EDM with σ_data = 1 and the other sign") {
    const Tensor x = random_normal({2, 3, 3, 1}, {.seed = 2}, DType::f64);
    const Network F = [](const Tensor& in, const Tensor&) { return tanh(in); };
    const Network minus_F = [](const Tensor& in, const Tensor&) { return -tanh(in); };
    for (const double sigma : kLevels) {
        const Tensor v = denoise(F, VPreconditioner{}, x, sigma);
        CHECK(test::absolute_error(v, denoise(minus_F, EdmPreconditioner{.sigma_data = 1}, x, sigma)) < 1e-14);
        CHECK(VPreconditioner{}.weight(sigma) == doctest::Approx(EdmPreconditioner{.sigma_data = 1}.weight(sigma)));
    }
}

TEST_CASE("VE's network sees x as it is, and answers the noise with the other sign") {
    const Tensor x = random_normal({2, 3, 3, 1}, {.seed = 2}, DType::f64);
    const Network network = [&](const Tensor& in, const Tensor& c_noise) {
        CHECK(c_noise.values()[0] == doctest::Approx(std::log(1.5)));
        CHECK(test::absolute_error(in, x) == 0);
        return 0.1 * in;
    };
    CHECK(test::absolute_error(denoise(network, VePreconditioner{}, x, 3.0), 1.3 * x) < 1e-14);
}

TEST_CASE("preconditioners and time inputs mix freely, and the choice is made while the program runs") {
    const Tensor x = random_normal({2, 3, 3, 1}, {.seed = 2}, DType::f64);
    for (const std::string_view objective : Named<Preconditioner>::names)
        for (const std::string_view time : Named<TimeInput>::names) {
            CAPTURE(objective);
            CAPTURE(time);
            const TimeInput input = Named<TimeInput>::parse("time input", time);
            const Preconditioner p = with(Named<Preconditioner>::parse("objective", objective), 0.25, input);
            CHECK(Named<Preconditioner>::name_of(p) == objective);
            CHECK(Named<TimeInput>::name_of(time_input_of(p)) == time);
            CHECK(mean_of(p) == 0.25);
            double told = 0;
            const Network network = [&](const Tensor& in, const Tensor& c_noise) {
                told = c_noise.values()[0];
                return 0.5 * in;
            };
            const Tensor chosen = denoiser(network, p)(x, 0.7);
            CHECK(told == c_noise(input, 0.7));
            std::visit(
                [&](const auto& row) {
                    CHECK(test::same_bits(chosen, denoise(network, row, x, 0.7)));
                    CHECK(row.weight(0.7) * sq(row.c_out(0.7)) ==
                          doctest::Approx(1).epsilon(1e-14));    // why the loss is a plain MSE
                },
                p);
        }
    CHECK(c_noise(TimeInput(NoTime{}), 80.0) == 0);
    CHECK(c_noise(TimeInput(NoTime{}), full({2, 1, 1, 1}, 80)).values() == std::vector<double>{0, 0});
    CHECK_THROWS_WITH_AS(Named<Preconditioner>::parse("objective", "esp"),
                         "[objective] unknown objective 'esp'; did you mean 'eps'? (edm, eps, v, ve)", Error);
}

TEST_CASE("a time input that is a schedule has noise levels of times, and times of noise levels") {
    CHECK(sigma_at(CosineSchedule{}, 0.5).value() == doctest::Approx(1));
    CHECK(time_at(CosineSchedule{}, 1).value() == doctest::Approx(0.5));
    CHECK(sigma_at(VpSchedule{}, 1).value() == doctest::Approx(152.167).epsilon(1e-6));
    CHECK(time_at(VpSchedule{}, VpSchedule{}.sigma(0.3)).value() == doctest::Approx(0.3));    // not what its network is told
    for (const TimeInput& input :
         {TimeInput(QuarterLogSigma{}), TimeInput(SigmaItself{}), TimeInput(NoTime{}), TimeInput(VeSchedule{})}) {
        CHECK(!sigma_at(input, 0.5));
        CHECK(!time_at(input, 1));
    }
}

TEST_CASE("a denoiser records nothing for gradients, denoise does") {
    Tensor weight = scalar(2);
    weight.requires_grad();
    const Network network = [&](const Tensor& in, const Tensor&) { return weight * in; };
    const Tensor x = ones({1, 2, 2, 1});
    CHECK(!denoiser(network, EdmPreconditioner{})(x, 1).has_gradient());
    CHECK(denoise(network, EdmPreconditioner{}, x, 1.0).has_gradient());
}

TEST_CASE("a network that changes the shape is an error, not a broadcast") {
    const Network network = [](const Tensor& in, const Tensor&) { return zeros({in.size(0), 1, 1, 1}); };
    CHECK_THROWS_WITH_AS(denoise(network, EdmPreconditioner{}, ones({2, 3, 3, 1}), 1.0),
                         "[denoiser] expected a network output of shape (2, 3, 3, 1), got f32 (2, 1, 1, 1)", Error);
}

}    // namespace lull
