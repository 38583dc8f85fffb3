// What happened at each step of a sampler, as a table and as curves: lull sample --explain.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/lull/generate.h"
#include "diffusion/noise_estimate.h"
#include "nn/data/image_dataset.h"

namespace lull {

// A batch after one of its steps, or, with step -1, the noise that it starts from.
struct TraceRow {
    std::int64_t first;    // the place of the batch's first image in the list
    std::int64_t images;
    std::int64_t asked = 0;           // about how many of them D was asked: fewer where some are finished
    int step;                         // from 0
    double sigma;                     // that x has reached; every σ here is in units of the model's data
    int evaluations = 0;              // of D in this step
    Statistics x{};                   // over all values
    std::optional<Statistics> y{};    // of ŷ, the step's last D, within black and white as images are
    // What the judge sees of noise: the medians of σ̂ over the images. In ŷ as the network gives it.
    std::optional<double> noise_in_x{}, noise_in_y{};
    // Of a blind sampler's answers â = 1/(1+σ̂²) before the clamp, and the part of the images that was clamped, in the step's
    // first evaluation, over those that it was asked about.
    struct Answers {
        double least, median, most, clamped;
    };
    std::optional<Answers> answers{};
};

// Gathers rows while a sampler runs.
class Trace {
  public:
    // black, white: the range of images. judge: says how much noise there is in x; empty: nobody does.
    explicit Trace(double black, double white, NoiseEstimator judge = {})
        : black_(black), white_(white), judge_(std::move(judge)) {}

    // In a sampler's order: what happens in a step, then the state after it.
    void see_denoised(const Tensor& y, std::int64_t asked);    // an answer of D; asked: as SamplingWatch has it
    void see(const NoiseEstimate& estimate);                   // of a blind sampler
    void see(const SamplerState& state);
    // The images of the batch that was seen last, if D was evaluated once more after its last step.
    void see_end(const Tensor& images);

    const std::vector<TraceRow>& rows() const { return rows_; }

  private:
    std::optional<double> noise_in(const Tensor& x, double sigma) const;

    double black_, white_;
    NoiseEstimator judge_;
    std::vector<TraceRow> rows_;
    // Of this step: the last answer of D, about how many images it was, and how many answers there were.
    Tensor y_;
    std::int64_t asked_ = 0;
    int evaluations_ = 0;
    std::optional<TraceRow::Answers> answers_;
};

// Columns with a name each (docs/noise-level.md says what they are), divided by tabs; what is not known is empty.
void write_trace(const std::filesystem::path& path, std::span<const TraceRow> rows);

// Over the steps, all batches together: the noise in x and ŷ as the judge sees it, beside the σ that the sampler takes x to have;
// then the mean, and then the standard deviation, of ŷ, of x where it has come near, and of the data, if known. u8 (H, W, 3).
Tensor plot_trace(std::span<const TraceRow> rows, const std::optional<Statistics>& data);

}    // namespace lull
