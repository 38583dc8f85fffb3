#include "apps/lull/data_stats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "apps/lull/data_sheet.h"
#include "apps/lull/reference.h"
#include "apps/lull/run_folder.h"
#include "engine/io/file.h"
#include "engine/io/png.h"

namespace lull {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kIndent = 16;
constexpr std::size_t kMostListed = 40;    // classes

std::string with_format(const char* format, double value) {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return text;
}
std::string rounded(double value) { return with_format("%.4f", value); }
std::string brief(double value) { return with_format("%g", std::round(value * 1000) / 1000); }    // at most three decimals

// A name in its column, and beside it text in as many lines as it takes.
std::string entry(const std::string& name, const std::string& text) {
    std::string begin = "  " + name;
    begin.resize(std::max(kIndent, begin.size() + 1), ' ');
    return begin + wrapped(text, kIndent);
}

// "2: 30 cat, 12 dog"; "10 of 6,000 images each: t-shirt, trouser, …" when all have as many.
std::string classes_of(const ImageDataset& data) {
    const std::vector<std::int64_t> counts = data.class_counts();
    if (counts.empty()) return "none";
    const bool equal = std::all_of(counts.begin(), counts.end(), [&](std::int64_t count) { return count == counts[0]; });
    const auto images = [&](std::size_t label) { return grouped(static_cast<std::uint64_t>(counts[label])); };
    std::string text = std::to_string(counts.size());
    if (equal) text += " of " + images(0) + (counts[0] == 1 ? " image each" : " images each");
    const std::size_t listed = std::min(kMostListed, counts.size());
    for (std::size_t label = 0; label < listed; ++label)
        text +=
            (label == 0 ? ": " : ", ") + (equal ? "" : images(label) + ' ') + data.class_name(static_cast<std::int64_t>(label));
    return listed < counts.size() ? text + " and " + std::to_string(counts.size() - listed) + " more" : text;
}

std::string figures(const Statistics& statistics) {
    return "mean " + rounded(statistics.mean) + ", standard deviation " + rounded(statistics.std);
}

std::string data_lines(const ImageDataset& data, const Statistics& statistics) {
    const std::int64_t channels = data.pixels.size(3);
    std::string text = entry("images", grouped(static_cast<std::uint64_t>(data.size())));
    text += entry("size", to_string(ImageSize{data.pixels.size(2), data.pixels.size(1)}));
    text += entry("channels", channels == 1 ? "1 (grey)" : std::to_string(channels) + " (red, green, blue)");
    text += entry("classes", classes_of(data));
    text += entry("range", brief(data.low) + " (black) to " + brief(data.high) + " (white)");
    text += entry("mean", rounded(statistics.mean));
    text += entry("sigma_data",
                  rounded(statistics.std) + ", the standard deviation; lull train measures it unless --sigma-data is given");
    constexpr std::array<const char*, 3> kNames{"red", "green", "blue"};
    if (channels == 3) {
        const std::vector<Statistics> by_channel = data.channel_statistics();
        for (std::size_t c = 0; c < 3; ++c) text += entry(kNames[c], figures(by_channel[c]));
    }
    return text;
}

std::string noise_lines(const ImageDataset& data, const Statistics& statistics, const NoiseRange& noise) {
    const NoiseRange edm;
    std::ostringstream text;
    text << "\nNoise levels that suit it (sigma, in units of the range)\n"
         << "  lull train --P-mean " << brief(noise.training.mean) << " --P-std " << brief(noise.training.std) << '\n';
    text << entry("", "Training draws ln sigma with this mean and standard deviation. EDM's " + brief(edm.training.mean) +
                          " and " + brief(edm.training.std) + " are for data of sigma_data 0.5" +
                          (statistics.std > 0 ? "; the mean is moved by ln(" + rounded(statistics.std) +
                                                    " / 0.5), so that the noise is as strong compared to these images."
                                              : ", and stand here unmoved: these images have no spread."));
    text << "  lull sample --sigma-min " << brief(noise.sigma_min) << " --sigma-max " << brief(noise.sigma_max) << '\n';
    text << entry("", "Images start as noise of sigma-max. It should be no less than the distance between any two images: of " +
                          grouped(static_cast<std::uint64_t>(noise.compared)) +
                          " that were compared, the furthest apart are at " + with_format("%.1f", noise.distance) +
                          ". The usual value is 80.");
    text << entry("", "Sigma-min is the last noise before none, too little to be seen: one step of a byte is " +
                          brief((data.high - data.low) / 255) + ".");
    return text.str();
}

// Whether a file in `folder` would be found by who reads all of `data`.
bool lies_within(const fs::path& folder, const fs::path& data) {
    if (!fs::is_directory(data)) return false;
    const fs::path inner = fs::weakly_canonical(folder.empty() ? "." : folder), outer = fs::canonical(data);
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}    // namespace

std::string data_report(const ImageDataset& data, const NoiseRange& noise) {
    const Statistics statistics = data.statistics();
    return data_lines(data, statistics) + noise_lines(data, statistics, noise);
}

fs::path show_data(const DataStatsSettings& settings) {
    settings.machine.apply();
    check_can_be_made(settings.outdir);
    check_usage(!lies_within(settings.outdir, settings.data.path), "--outdir", "expected a folder outside ",
                settings.data.path.string(), ", of whose pictures the sheet would become one");
    std::vector<std::string> notes;    // their first line names the data set
    const ImageDataset data = load_data(settings.data, &notes);
    if (!settings.machine.quiet) {
        for (const std::string& note : notes) std::cout << note << '\n';
        std::cout << '\n' << data_report(data, suggest_noise_range(data)) << '\n';
    }
    make_folder(settings.outdir);
    const fs::path picture = free_path(settings.outdir / ("data-" + file_name_of(data) + ".png"));
    write_png(picture, {data_sheet(data),
                        {{"Data", data.name}, {"Images", std::to_string(data.size())}, {"Fingerprint", data.fingerprint()}}});
    return picture;
}

}    // namespace lull
