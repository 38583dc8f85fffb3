// What happened at each step of a sampler, as a table and as curves: lull sample --explain.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/lull/generate.h"
#include "diffusion/denoiser.h"
#include "diffusion/noise_estimate.h"
#include "nn/data/image_dataset.h"

namespace lull {

// A batch after one of its steps, or, with step -1, the noise that it starts from.
struct TraceRow {
    std::int64_t first;    // the place of the batch's first image in the list
    std::int64_t images;
    int step;                         // from 0
    double sigma;                     // that x has reached
    int evaluations = 0;              // of D in this step
    Statistics x{};                   // over all values
    std::optional<Statistics> y{};    // of ŷ, the step's last D
    // What the judge sees of noise: the medians of σ̂ over the images.
    std::optional<double> noise_in_x{}, noise_in_y{};
    // Of a blind sampler's answers â = 1/(1+σ̂²) before the clamp, and the part of the images that was clamped, in the step's
    // first evaluation.
    struct Answers {
        double least, median, most, clamped;
    };
    std::optional<Answers> answers{};
};

// Gathers rows while a sampler runs. What it watches must not outlive it.
class Trace {
  public:
    // judge: says how much noise there is in x; empty: nobody does.
    explicit Trace(NoiseEstimator judge = {}) : judge_(std::move(judge)) {}

    Denoiser watch(Denoiser D);
    PerImageDenoiser watch(PerImageDenoiser D);
    void see(const LevelReport& answers);    // a blind sampler's
    void see(const SamplerState& state);
    // The images of the batch that was seen last, if D was evaluated once more after its last step.
    void see_end(const Tensor& images);

    const std::vector<TraceRow>& rows() const { return rows_; }

  private:
    std::optional<double> noise_in(const Tensor& x, double sigma) const;

    NoiseEstimator judge_;
    std::vector<TraceRow> rows_;
    Tensor y_;    // the last answer of D, and how many there were in this step
    int evaluations_ = 0;
    std::optional<TraceRow::Answers> answers_;
};

// Columns with a name each, divided by tabs; what is not known is empty.
void write_trace(const std::filesystem::path& path, std::span<const TraceRow> rows);

// Over the steps, all batches together: the noise in x and ŷ as the judge sees it, below the σ that the sampler takes x to have;
// then mean and standard deviation of ŷ, and those of the data if they are known, as level lines. u8 (H, W, 3).
Tensor plot_trace(std::span<const TraceRow> rows, const std::optional<Statistics>& data);

}    // namespace lull
