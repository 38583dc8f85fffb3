#include "apps/lull/training_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/lull/progress.h"
#include "engine/io/file.h"
#include "engine/io/png.h"
#include "engine/peak_memory.h"

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

TrainingLog::TrainingLog(const std::filesystem::path& folder, const NoiseDistribution& distribution)
    : folder_(folder), path_(folder / "log.jsonl"), buckets_{distribution} {
    start(0);
}

TrainingLog::TrainingLog(const std::filesystem::path& folder, const NoiseDistribution& distribution, std::int64_t steps_made,
                         const nlohmann::json& position)
    : folder_(folder), path_(folder / "log.jsonl"), buckets_{distribution}, since_(sigma_means_from_json(position)) {
    keep_lines(steps_made);
    start(steps_made);
}

void TrainingLog::start(std::int64_t steps_made) {
    file_.open(path_, std::ios::app);
    write({{"start", utc_now()}, {"steps_made", steps_made}, {"sigma_bounds", buckets_.bounds()}});
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
            if (object.contains("sigma_loss"))
                by_sigma_.push_back({object.at("step"), sigma_means_from_json(object.at("sigma_loss"))});
        }
        line += '\n';
        kept.write(line.data(), line.size());
    }
    kept.commit();
}

void TrainingLog::write(const json& object) {
    errno = 0;
    file_ << object.dump() << std::endl;
    check_file(file_.good(), path_, "cannot be written: ", std::strerror(errno != 0 ? errno : EIO));
}

void TrainingLog::add(const TrainedStep& step, std::span<const ImageLoss> images) {
    for (const ImageLoss& image : images) since_.add(buckets_(image.sigma), image.loss);
    losses_.push_back(step.loss);
    seconds_ += step.seconds;
    // A running mean that follows the last ten steps or so.
    const double latest = step.seconds / step.samples;
    seconds_per_sample_ = seconds_per_sample_ == 0 ? latest : 0.9 * seconds_per_sample_ + 0.1 * latest;
    json line = {{"step", step.step},
                 {"loss", step.loss},
                 {"loss_smoothed", smoothed_loss()},
                 {"lr", step.learning_rate},
                 {"grad_norm", step.gradient_norm},
                 {"images_per_second", step.samples / step.seconds},
                 {"seconds", seconds_},
                 {"peak_memory_mib", peak_memory_mib()}};
    if (step.step % kSigmaInterval == 0 || step.step == step.steps) {
        line["sigma_loss"] = to_json(since_);
        by_sigma_.push_back({step.step, since_});
        since_ = {};
    }
    write(line);
}

void TrainingLog::draw() const {
    write_png(folder_ / "loss.png", {plot_loss(losses_, buckets_, by_sigma_), {{"Software", "lull"}}});
}

nlohmann::json TrainingLog::position() const { return to_json(since_); }

double TrainingLog::smoothed_loss() const {
    const std::size_t count = smoothing_window(losses_.size());
    return std::accumulate(losses_.end() - static_cast<std::ptrdiff_t>(count), losses_.end(), 0.0) / static_cast<double>(count);
}

double TrainingLog::samples_per_second() const { return 1 / seconds_per_sample_; }

}    // namespace lull
