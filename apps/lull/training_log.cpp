#include "apps/lull/training_log.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/lull/loss_plot.h"
#include "engine/io/file.h"
#include "engine/io/png.h"

namespace lull {

using json = nlohmann::ordered_json;

namespace {

// 2026-01-31T12:00:00Z
std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

}    // namespace

TrainingLog::TrainingLog(const std::filesystem::path& folder, std::int64_t first_step)
    : folder_(folder), path_(folder / "log.jsonl") {
    if (first_step > 0) keep_lines(first_step);
    file_.open(path_, std::ios::app);
    write({{"start", utc_now()}, {"steps_made", first_step}});
}

// Leaves the lines of the steps that the saved state has seen: a run that is cut off may have logged more.
void TrainingLog::keep_lines(std::int64_t last_step) {
    std::ifstream before(path_);
    AtomicFile kept(path_);
    for (std::string line; std::getline(before, line);) {
        const json object = json::parse(line, nullptr, false);    // the last line may be half a line
        if (object.is_discarded() || object.value("step", std::int64_t{0}) > last_step) continue;
        if (object.contains("step")) {
            losses_.push_back(object.value("loss", 0.0));
            seconds_ = object.value("seconds", 0.0);
        }
        line += '\n';
        kept.write(line.data(), line.size());
    }
    kept.commit();
}

void TrainingLog::write(const json& object) {
    file_ << object.dump() << std::endl;
    check_file(file_.good(), path_, "cannot write this file");
}

void TrainingLog::add(const TrainedStep& step) {
    losses_.push_back(step.loss);
    seconds_ += step.seconds;
    // A running mean that follows the last ten steps or so.
    const double latest = step.seconds / step.samples;
    seconds_per_sample_ = seconds_per_sample_ == 0 ? latest : 0.9 * seconds_per_sample_ + 0.1 * latest;
    write({{"step", step.step},
           {"loss", step.loss},
           {"loss_smoothed", smoothed_loss()},
           {"lr", step.learning_rate},
           {"grad_norm", step.gradient_norm},
           {"images_per_second", step.samples / step.seconds},
           {"seconds", seconds_}});
}

void TrainingLog::draw() const { write_png(folder_ / "loss.png", {plot_loss(losses_), {{"Software", "lull"}}}); }

double TrainingLog::smoothed_loss() const {
    const std::size_t count = smoothing_window(losses_.size());
    return std::accumulate(losses_.end() - static_cast<std::ptrdiff_t>(count), losses_.end(), 0.0) / static_cast<double>(count);
}

double TrainingLog::samples_per_second() const { return 1 / seconds_per_sample_; }

}    // namespace lull
