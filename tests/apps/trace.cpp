// What --explain writes down, and the axes of plots.
#include "apps/lull/trace.h"

#include <doctest/doctest.h>

#include <cmath>

#include "apps/lull/panel.h"
#include "diffusion/blind.h"
#include "diffusion/gaussian_mixture.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

const Shape kImage{2, 3, 1};

const GaussianMixture& mixture() {
    static const GaussianMixture mixture({{.weight = 1, .mean = {1, 0, -1, 0.5, 0.2, 0}, .std = 0.3}});
    return mixture;
}

std::vector<double> believes(const Tensor&, const Tensor& sigma) { return sigma.values(); }

// Heun blind, two steps, seen by a trace whose judge believes what it is told.
std::vector<TraceRow> traced(bool with_judge) {
    const std::vector<std::uint64_t> seeds{1, 2, 3};
    const NoiseEstimator judge = estimator(believes, {.clamp = LevelClamp::none});
    Trace trace(-1, 1, with_judge ? judge : NoiseEstimator());
    const auto predicts = [](const Tensor&, const Tensor& sigma) {
        const double s = sigma.values()[0];
        return std::vector<double>{s / 4, s, 3 * s};
    };
    const NoiseEstimator estimate = [&](const Tensor& x, const Tensor& sigma) {
        const NoiseEstimate seen = estimator(predicts, {})(x, sigma);
        trace.see(seen);
        return seen;
    };
    const PerImageDenoiser D = [&](const Tensor& x, const Tensor& sigma) {
        const Tensor y = mixture().denoise(x, sigma);
        trace.see_denoised(y, y.size(0));
        return y;
    };
    const Tensor x = start_noise(seeds, kImage, 2);
    trace.see(SamplerState{0, -1, 2, x});
    const Sampling run{.on_step = [&](int step, double sigma, const Tensor& at) {
        trace.see(SamplerState{0, step, sigma, at});
        return true;
    }};
    const Tensor images =
        sample_resynchronised({.sampler = Sampler::heun}, D, estimate, {}, x, std::vector<double>{2, 1, 0}, run);
    trace.see_end(images);
    return trace.rows();
}

}    // namespace

TEST_CASE("a trace has a row for the start, for each step and for what came after the last") {
    const std::vector<TraceRow> rows = traced(true);
    REQUIRE(rows.size() == 4);
    const int evaluations[] = {0, 2, 1, 1};
    const double sigmas[] = {2, 1, 0, 0};
    for (int i = 0; i < 4; ++i) {
        CHECK(rows[i].step == i - 1);
        CHECK(rows[i].images == 3);
        CHECK(rows[i].asked == (i > 0 ? 3 : 0));
        CHECK(rows[i].evaluations == evaluations[i]);
        CHECK(rows[i].sigma == sigmas[i]);
        CHECK(rows[i].y.has_value() == (i > 0));
        CHECK(*rows[i].noise_in_x == doctest::Approx(std::max(sigmas[i], 1e-6)));
    }
    CHECK(std::abs(rows[0].x.std - 2) < 4 * 2 / std::sqrt(2. * 18));    // four standard errors of 18 values
    // σ̂ of σ/4, σ and 3σ at σ = 2: â of 0.8, 0.2 and 1/37; two of the three are clamped.
    REQUIRE(rows[1].answers);
    CHECK(rows[1].answers->least == doctest::Approx(1 / 37.));
    CHECK(rows[1].answers->median == doctest::Approx(0.2));
    CHECK(rows[1].answers->most == doctest::Approx(0.8));
    CHECK(rows[1].answers->clamped == doctest::Approx(2 / 3.));
    CHECK_FALSE(rows[0].answers);
    CHECK_FALSE(traced(false)[1].noise_in_x);
}

TEST_CASE("what is said of D is D's own: its statistics within black and white, its noise as the judge sees it") {
    // The judge takes an image's mean for its noise.
    const NoiseEstimator judge = estimator(
        [](const Tensor& x, const Tensor&) { return std::vector<double>(static_cast<std::size_t>(x.size(0)), mean(x).item()); },
        {.clamp = LevelClamp::none});
    Trace trace(-0.5, 0.5, judge);
    const Tensor x = full({2, 1, 2, 1}, 3.), y = from_values({0.1, 0.3, 0.2, 9}, {2, 1, 2, 1});
    trace.see(SamplerState{4, -1, 2, x});
    trace.see_denoised(full({2, 1, 2, 1}, 0.4), 2);
    trace.see_denoised(y, 1);    // the step's last
    trace.see(SamplerState{4, 0, 1, x});
    const TraceRow& row = trace.rows().back();
    CHECK(row.first == 4);
    CHECK(row.images == 2);
    CHECK(row.asked == 1);
    CHECK(row.evaluations == 2);
    CHECK(row.x.mean == 3);
    CHECK(row.x.std == 0);
    REQUIRE(row.y);
    CHECK(row.y->mean == doctest::Approx(1.1 / 4));    // 9 is white
    CHECK(row.y->std == doctest::Approx(std::sqrt((0.01 + 0.09 + 0.04 + 0.25) / 4 - 1.21 / 16)));
    CHECK(*row.noise_in_x == doctest::Approx(3));
    CHECK(*row.noise_in_y == doctest::Approx(9.6 / 4));
    CHECK_FALSE(trace.rows().front().y);
}

TEST_CASE("the table has a line per row, empty where nothing is known") {
    const TemporaryFolder folder;
    write_trace(folder / "trace.tsv", traced(false));
    std::istringstream table(read_bytes(folder / "trace.tsv"));
    std::string line;
    std::getline(table, line);
    CHECK(std::count(line.begin(), line.end(), '\t') == 15);
    std::getline(table, line);
    CHECK(line.starts_with("0\t3\t0\t0\t2\t0\t"));
    CHECK(line.ends_with("\t\t\t\t\t\t\t\t"));    // nothing of ŷ, noise and answers
    std::getline(table, line);
    CHECK(std::count(line.begin(), line.end(), '\t') == 15);
    CHECK(line.ends_with("\t0.8\t0.666667"));
}

TEST_CASE("curves are drawn of whatever is known") {
    for (const bool judge : {false, true}) {
        const Tensor picture = plot_trace(traced(judge), Statistics{-0.5, 0.6});
        CHECK(picture.shape() == Shape{1260, 720, 3});
        CHECK(same_bits(picture, plot_trace(traced(judge), Statistics{-0.5, 0.6})));
        CHECK_FALSE(same_bits(picture, plot_trace(traced(judge), std::nullopt)));
    }
    CHECK_FALSE(same_bits(plot_trace(traced(true), std::nullopt), plot_trace(traced(false), std::nullopt)));
    CHECK_THROWS_AS(plot_trace({}, std::nullopt), Error);
}

TEST_CASE("axes have round ticks, and know where a value lies") {
    const auto values = [](const Axis& axis) {
        std::vector<double> all;
        for (const auto& [value, number] : axis.ticks()) all.push_back(value);
        return all;
    };
    CHECK(values({.low = 0, .high = 10}) == std::vector<double>{0, 2, 4, 6, 8, 10});
    const std::vector<double> around = values({.low = -0.5, .high = 0.5});
    CHECK(around == std::vector<double>{-0.4, -0.2, 0, 0.2, 0.4});
    CHECK_FALSE(std::signbit(around[2]));    // "0", not "-0"
    CHECK(values({.low = 0, .high = 3, .whole = true}) == std::vector<double>{0, 1, 2, 3});
    CHECK(values({.low = 0.9, .high = 12, .logarithmic = true}) == std::vector<double>{1, 2, 3, 5, 7, 10});
    const std::vector<double> decades = values({.low = 0.9e-3, .high = 1.1e3, .logarithmic = true});
    CHECK(decades.size() == 7);    // 0.001 to 1000
    const Axis axis = {.low = 1, .high = 100, .logarithmic = true};
    CHECK(axis.part(10) == doctest::Approx(0.5));
    CHECK(axis.part(0.001) == 0);
    CHECK(axis.part(1e9) == 1);
    CHECK(Axis::around(3, 3).low < 3);
    CHECK(Axis::around(0, 0).high > 0);
    CHECK(Axis::logarithmic_around(0, 1).low > 0);
    CHECK(short_number(12345.678, 3) == "1.23e+04");
}
