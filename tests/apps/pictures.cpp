#include <doctest/doctest.h>
#include <cmath>
#include <regex>
#include <set>
#include <sstream>

#include "apps/lull/canvas.h"
#include "apps/lull/loss_plot.h"
#include "apps/lull/progress.h"
#include "apps/lull/train_settings.h"
#include "engine/peak_memory.h"

using namespace lull;

namespace {

double pixel(const Tensor& pixels, std::int64_t x, std::int64_t y, std::int64_t channel) {
    return pixels.slice(0, y, y + 1).slice(1, x, x + 1).slice(2, channel, channel + 1).item();
}

}    // namespace

TEST_CASE("a line covers the pixels under it and half of those at its edge") {
    Canvas canvas(9, 9, {1, 1, 1});
    canvas.line(0, 4.5, 9, 4.5, 2, {0, 0, 0});    // from y = 3.5 to 5.5
    const Tensor pixels = canvas.pixels();
    CHECK(pixels.shape() == Shape{9, 9, 3});
    CHECK(pixel(pixels, 4, 4, 0) == 0);
    CHECK(pixel(pixels, 4, 3, 0) == doctest::Approx(127.5).epsilon(0.01));
    CHECK(pixel(pixels, 4, 5, 1) == doctest::Approx(127.5).epsilon(0.01));
    CHECK(pixel(pixels, 4, 2, 0) == 255);
}

TEST_CASE("lines and text that reach over the edge are cut off there") {
    Canvas canvas(8, 8, {1, 1, 1});
    canvas.line(-50, -50, 50, 50, 3, {0, 0, 0});
    canvas.text(-3, 5, "loss 0.1", {0, 0, 0}, 2);
    CHECK(pixel(canvas.pixels(), 3, 3, 2) == 0);
}

TEST_CASE("every letter of ASCII looks unlike the others, and one box stands for each other letter") {
    const auto drawn = [](const std::string& text) {
        Canvas canvas(16, 8, {1, 1, 1});
        canvas.text(0, 0, text, {0, 0, 0}, 1);
        return canvas.pixels().values();
    };
    std::set<std::vector<double>> all{drawn("é")};
    for (char letter = ' '; letter <= '~'; ++letter) all.insert(drawn(std::string(1, letter)));
    CHECK(all.size() == 96);
    CHECK(drawn("é") == drawn("σ"));
    CHECK(drawn("éa") != drawn("é a"));
    CHECK(Canvas::text_width("éa", 2) == Canvas::text_width("xa", 2));
}

TEST_CASE("the smoothed loss is the mean of the last quarter, at most of 100 steps") {
    std::vector<double> losses(1000);
    for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = static_cast<double>(i + 1);
    const auto means = smoothed(losses);
    CHECK(means[0] == 1);
    CHECK(means[7] == 7.5);        // of 7 and 8
    CHECK(means[999] == 950.5);    // of 901 to 1000
}

TEST_CASE("any losses make a picture: one, equal ones, zeros, many") {
    for (const std::vector<double>& losses :
         {std::vector<double>{0.5}, {1, 1, 1}, {0, 0}, {1e-9, 1e9}, std::vector<double>(3000, 0.2)})
        CHECK(plot_loss(losses).dtype() == DType::u8);
}

TEST_CASE("losses by noise level make a second panel, for narrow and wide noise too") {
    const std::vector<double> losses(40, 0.2);
    for (const LogNormal noise_level : {LogNormal{}, LogNormal{.mean = 90, .std = 1e-3}, LogNormal{.mean = -90, .std = 1e3}}) {
        SigmaRecord record{20, {}};
        record.means.add(2, 0.3);
        const Tensor one = plot_loss(losses), two = plot_loss(losses, {noise_level}, std::vector{record});
        CHECK(two.size(0) == 2 * one.size(0));
        CHECK(two.size(1) == one.size(1));
    }
}

TEST_CASE("durations are written as clocks write them") {
    CHECK(format_duration(7) == "0:07");
    CHECK(format_duration(187.4) == "3:07");
    CHECK(format_duration(3765) == "1:02:45");
}

TEST_CASE("the peak of memory is as high as memory was once, and stays there") {
    const std::int64_t before = peak_memory_mib();
    {
        // More than this process has ever had, by 8 MiB, written to so that the system must hand it out.
        const std::vector<char> large(static_cast<std::size_t>(before + 8) << 20, 1);
        CHECK(peak_memory_mib() >= before + 8);
    }
    CHECK(peak_memory_mib() >= before + 8);
    CHECK(peak_memory_mib() <= 4 * before + 64);    // MiB, not KiB
}

TEST_CASE("without a terminal, progress is whole lines, and the last step is always told") {
    std::ostringstream out;
    {
        Progress progress(out, ProgressStyle::lines, "step", 3);
        for (int i = 1; i <= 3; ++i) progress.update(i, "loss 0.5");
    }
    CHECK_MESSAGE(std::regex_match(out.str(), std::regex("step 3/3  loss 0.5  took 0:00  peak memory [1-9]\\d* MiB\n")),
                  out.str());
}

TEST_CASE("on a terminal, progress draws over its own line and ends it") {
    std::ostringstream out;
    {
        Progress progress(out, ProgressStyle::bar, "step", 2);
        progress.update(1, "a longer text");
        progress.note("a note");
        progress.update(2, "short");
    }
    const std::string text = out.str();
    CHECK(text.find("\r[========>       ] step 1/2  a longer text") == 0);
    CHECK(text.find("a note\n") != std::string::npos);
    CHECK(text.find("\r[================] step 2/2  short  took 0:00  peak memory ") != std::string::npos);
}

TEST_CASE("silent progress says nothing") {
    std::ostringstream out;
    {
        Progress progress(out, ProgressStyle::silent, "step", 1);
        progress.note("a note");
        progress.update(1, "");
    }
    CHECK(out.str().empty());
}

TEST_CASE("sample grids come at round intervals, five to twelve of them") {
    CHECK(round_interval(1300) == 200);
    CHECK(round_interval(480) == 50);
    CHECK(round_interval(3) == 1);
    CHECK(round_interval(1) == 1);
    CHECK(round_interval(100000) == 20000);
}
