#include "apps/lull/denoising.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <sstream>

#include "apps/lull/generate.h"
#include "apps/lull/interrupt.h"
#include "apps/lull/labelled_grid.h"
#include "apps/lull/labels.h"
#include "apps/lull/run_folder.h"
#include "apps/lull/sampling.h"
#include "apps/lull/seeds.h"
#include "apps/lull/train_settings.h"
#include "diffusion/objective.h"
#include "engine/autograd.h"
#include "engine/io/file.h"
#include "engine/io/png.h"
#include "engine/io/safetensors.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"

namespace lull {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::int64_t kMostSigmas = 1000, kMostPictured = 8;

// What D is asked about.
struct Question {
    std::vector<std::int32_t> labels;    // of the images; none for an unconditional model
    Tensor y, noise;                     // (N, H, W, C): x = y + σ n
    Tensor x;                            // (N, H, W, C): or this at every σ; then y and noise are undefined
    std::string name, origin;            // for the picture's name and text

    std::int64_t size() const { return x.defined() ? x.size(0) : y.size(0); }
    Tensor at(double sigma) const { return x.defined() ? x : y + sigma * noise; }
};

// One noise level's row of the picture.
struct Rung {
    double sigma;
    std::optional<double> t;    // its time in the model's schedule, if there is one
    Tensor x, denoised;         // (N, H, W, C)
};

Model loaded(const DenoiseSettings& settings) {
    Model model = load_model(settings.model, settings.model_options);
    model.precision = settings.precision;
    model.unet = moved(model.unet, settings.machine.chosen_device());
    return model;
}

Question read_input(const DenoiseSettings& s, const Model& model) {
    const SafetensorsFile file = load_safetensors(s.input);
    const Shape image = model.config.image();
    const auto found = file.tensors.find("x");
    check_file(found != file.tensors.end(), s.input, "has no tensor 'x'");
    const Tensor& x = found->second;
    check_file(x.dtype() == DType::f32 && x.rank() == 4 && x.size(0) > 0 && Shape{x.size(2), x.size(3), x.size(1)} == image,
               s.input, "expected 'x' as f32 (N, ", image[2], ", ", image[0], ", ", image[1], "), got ", x);
    check_file(!first_not_finite(x), s.input, "'x' has values that are not finite");
    std::vector<std::uint64_t> index(static_cast<std::size_t>(x.size(0)));
    std::iota(index.begin(), index.end(), 0);
    return {.labels = labels_for(model, s.labels, index),
            .y = {},
            .noise = {},
            .x = from_pytorch_layout(x).contiguous(),
            .name = s.input.stem().string(),
            .origin = s.input.string()};
}

Question read_data(const DenoiseSettings& s, const Model& model) {
    const ModelConfig& config = model.config;
    const json own = data_part(model.description);
    std::vector<std::string> notes;
    if (s.data.path.empty() && own.is_null())
        notes.push_back("the model does not say what it was trained on: these are images of Fashion-MNIST; --data names others");
    const ImageDataset data = load_data(data_of_model(s.data, own, config.image()), &notes).range(config.black, config.white);
    if (!s.machine.quiet)
        for (const std::string& note : notes) std::cout << note << '\n';
    std::vector<std::uint64_t> wanted = s.index;
    for (std::int64_t i = 0; s.index.empty() && i < std::min(s.count, data.size()); ++i)
        wanted.push_back(static_cast<std::uint64_t>(i));
    std::vector<std::int64_t> index;
    for (const std::uint64_t i : wanted) {
        check_usage(i < static_cast<std::uint64_t>(data.size()), "--index", "expected numbers of images below ", data.size(),
                    ", got ", i);
        index.push_back(static_cast<std::int64_t>(i));
    }
    const Batch batch = data.gather(index);
    std::vector<std::int32_t> labels = labels_for(model, s.labels, wanted);
    if (s.labels.empty() && !labels.empty() && batch.labels.defined())
        labels.assign(batch.labels.data<std::int32_t>(), batch.labels.data<std::int32_t>() + batch.labels.elements());
    return {.labels = labels,
            .y = batch.images,
            .noise = denoising_noise(batch.images.shape(), wanted, s.seed),
            .x = {},
            .name = format_seeds(wanted),
            .origin = format_seeds(wanted) + " of " + data.name + ", noise seed " + std::to_string(s.seed)};
}

Tensor evaluate(const Model& model, const Question& question, const Tensor& x, double sigma) {
    const std::int64_t batch = default_batch(model.config.image());
    std::vector<Tensor> parts;
    for (std::int64_t first = 0; first < x.size(0); first += batch) {
        const std::int64_t count = std::min(batch, x.size(0) - first);
        parts.push_back(model.denoiser(label_tensor(question.labels, first, count))(x.slice(0, first, first + count), sigma));
        if (interrupted()) throw Interrupted("stopped at σ " + sigma_title(sigma) + "; nothing was written");
    }
    const Tensor denoised = concat(parts, 0);
    if (const auto bad = first_not_finite(denoised)) fail("denoise", "σ ", sigma, ": D of image ", *bad, " is not finite");
    return denoised;
}

// A line of the table: numbers in columns of twelve characters.
void print_row(std::span<const double> numbers) {
    std::string line;
    for (const double number : numbers) {
        char text[32];
        std::snprintf(text, sizeof text, "%12.4g", number);
        line += text;
    }
    std::cout << line << '\n';
}

void print_table(const std::vector<Rung>& rungs, const Question& question, const Preconditioner& p) {
    const bool truth = question.y.defined();
    std::cout << (rungs.front().t ? "           t" : "")
              << (truth ? "       sigma        rmse    weighted\n"
                        : "       sigma         min         max        mean         std\n");
    for (const auto& [sigma, t, x, denoised] : rungs) {
        std::vector<double> row{sigma};
        if (t) row.insert(row.begin(), *t);
        if (truth) {
            const double error = mean(sq(denoised - question.y)).item();
            row.insert(row.end(), {std::sqrt(error), weight(p, sigma) * error});
        } else {
            const std::vector<double> values = denoised.values();
            const auto [least, most] = std::minmax_element(values.begin(), values.end());
            const double middle = mean(denoised).item();
            row.insert(row.end(), {*least, *most, middle, std::sqrt(mean(sq(denoised - middle)).item())});
        }
        print_row(row);
    }
}

// Rows of noise levels; x, D and the truth of the first images beside each other.
Tensor picture_of(const std::vector<Rung>& rungs, const Question& question, const ModelConfig& model, int scale, bool by_time) {
    const std::int64_t count = std::min(question.size(), kMostPictured);
    const bool truth = question.y.defined();
    LabelledGrid grid{.columns = static_cast<int>(count * (truth ? 3 : 2)),
                      .column_group = static_cast<int>(count),
                      .column_titles = {truth ? "noisy" : "x", "denoised"},
                      .corner = by_time ? "t" : "sigma",
                      .scale = scale};
    if (truth) grid.column_titles.push_back("true");
    std::vector<Tensor> cells;
    for (const auto& [sigma, t, x, denoised] : rungs) {
        cells.push_back(at_data_contrast(x.slice(0, 0, count), sigma, model));
        cells.push_back(denoised.slice(0, 0, count));
        if (truth) cells.push_back(question.y.slice(0, 0, count));
        grid.row_titles.push_back(sigma_title(by_time ? *t : sigma));
    }
    grid.images = shown(concat(cells, 0), model.black, model.white);
    return draw(grid);
}

void save_tensors(const fs::path& path, const std::vector<Rung>& rungs, const std::map<std::string, std::string>& text) {
    std::vector<Tensor> x, denoised, sigmas;
    for (const Rung& rung : rungs) {
        x.push_back(to_pytorch_layout(rung.x));
        denoised.push_back(to_pytorch_layout(rung.denoised));
        sigmas.push_back(full({rung.x.size(0)}, rung.sigma, DType::f64));
    }
    save_safetensors(path, {{{"x", concat(x, 0)}, {"denoised", concat(denoised, 0)}, {"sigma", concat(sigmas, 0)}}, text});
}

std::map<std::string, std::string> describe(const DenoiseSettings& s, const Question& question, const Model& model,
                                            const std::vector<Rung>& rungs) {
    auto text = lull::describe(model, s.model_options.weights);
    const auto list = [&](const char* name, const auto& value_of) {
        std::ostringstream values;
        for (const Rung& rung : rungs) values << (values.tellp() > 0 ? ", " : "") << value_of(rung);
        text[name] = values.str();
    };
    list("Sigmas", [](const Rung& rung) { return rung.sigma; });
    if (rungs.front().t) list("Times", [](const Rung& rung) { return *rung.t; });
    text["Images"] = question.origin;
    if (!question.labels.empty()) text["Labels"] = format_labels(question.labels);
    return text;
}

// The schedule of which the model's network is told the time, or else the one that its training drew noise levels from.
std::optional<TimeInput> schedule_of(const Model& model) {
    const TimeInput& told = time_input_of(model.config.preconditioner);
    if (sigma_at(told, 0.5)) return told;
    const json all = model.description.is_object() ? model.description : json::object();
    const json noise = all.value(json::json_pointer("/training/noise"), json());
    const auto& names = Named<TimeInput>::names;
    if (!noise.is_string() || std::find(names.begin(), names.end(), noise.get<std::string>()) == names.end()) return {};
    return Named<TimeInput>::parse("schedule", noise.get<std::string>());
}

// What noise levels to show, without x and D.
std::vector<Rung> rungs_of(const DenoiseSettings& s, const std::optional<TimeInput>& schedule) {
    const std::vector<double> ladder{0.02, 0.1, 0.3, 1, 3, 10, 80}, ladder_of_times{0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99};
    std::vector<Rung> rungs;
    if (!s.sigmas.empty() || (s.times.empty() && !schedule)) {
        for (const double sigma : s.sigmas.empty() ? ladder : s.sigmas)
            rungs.push_back({sigma, schedule ? time_at(*schedule, sigma) : std::nullopt, {}, {}});
    } else {
        for (const double t : s.times.empty() ? ladder_of_times : s.times)
            rungs.push_back({sigma_at(schedule.value_or(CosineSchedule{}), t).value(), t, {}, {}});
    }
    return rungs;
}

// "0.02,0.3,1": at most kMostSigmas numbers above 0 and below a bound. wanted: the numbers in words.
std::vector<double> parse_list(std::string_view where, const std::string& wanted, double bound, std::string_view text) {
    std::vector<double> numbers;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string_view part = text.substr(begin, end - begin);
        double number = 0;
        const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), number);
        const bool whole = error == std::errc() && rest == part.data() + part.size();
        check(whole && number > 0 && number < bound, where, "expected numbers ", wanted, ", got '", text, "'");
        numbers.push_back(number);
        begin = end + 1;
    }
    check(numbers.size() <= kMostSigmas, where, "expected at most ", kMostSigmas, " noise levels, got ", numbers.size());
    return numbers;
}

}    // namespace

std::vector<double> parse_sigmas(std::string_view text) {
    return parse_list("sigma", "above 0 such as 0.02,0.3,1", HUGE_VAL, text);
}

std::vector<double> parse_times(std::string_view text) {
    return parse_list("t", "between 0 and 1 such as 0.1,0.5,0.99", 1, text);
}

Tensor denoising_noise(const Shape& shape, std::span<const std::uint64_t> index, std::uint64_t seed) {
    std::vector<RandomStream> streams;
    for (const std::uint64_t i : index) streams.push_back({seed, Purpose::noise, i});
    Tensor noise = empty(shape);
    fill_normal(noise, streams);
    return noise;
}

HeldOutLoss held_out_loss(const Model& model, const Tensor& y, const std::vector<std::int32_t>& labels, std::uint64_t seed) {
    const json training = model.description.is_object() ? model.description.value("training", json()) : json();
    check_file(training.is_object(), model.file, "does not say how its training drew noise levels");
    const NoiseDistribution distribution = train_settings_from_json(training).noise_distribution();
    const NoGrad no_grad;
    const std::int64_t batch = default_batch(model.config.image());
    double sum = 0, squares = 0;
    for (std::int64_t first = 0; first < y.size(0); first += batch) {
        const std::int64_t count = std::min(batch, y.size(0) - first);
        std::vector<std::uint64_t> positions(static_cast<std::size_t>(count));
        std::iota(positions.begin(), positions.end(), kBeyondTraining + static_cast<std::uint64_t>(first));
        const Network network = network_of(model.unet, model.precision, label_tensor(labels, first, count));
        const Tensor part = y.slice(0, first, first + count);
        const NoisyImages noisy = add_noise(part, distribution, seed, positions);
        for (const double loss : denoising_loss(network, model.config.preconditioner, part, noisy).per_image.values()) {
            sum += loss;
            squares += sq(loss);
        }
        if (interrupted()) throw Interrupted("stopped after " + std::to_string(first + count) + " images");
    }
    const auto images = static_cast<double>(y.size(0));
    const double mean = sum / images;
    return {mean, std::sqrt(std::max(0.0, squares / images - sq(mean)) / images)};
}

void print_held_out_loss(const DenoiseSettings& settings, std::ostream& out) {
    settings.machine.apply();
    const InterruptGuard guard;
    const Model model = loaded(settings);
    const Question question = read_data(settings, model);
    const auto [loss, error] = held_out_loss(model, question.y, question.labels, settings.seed);
    char text[64];
    std::snprintf(text, sizeof text, "loss %.5f +- %.5f", loss, error);
    out << text << "  images " << question.origin << '\n';
}

fs::path denoise_images(const DenoiseSettings& settings) {
    settings.machine.apply();
    const fs::path folder = prepare_outputs(settings.model, settings.outdir, settings.save);
    const InterruptGuard guard;
    const Model model = loaded(settings);
    const Question question = settings.input.empty() ? read_data(settings, model) : read_input(settings, model);
    std::vector<Rung> rungs = rungs_of(settings, schedule_of(model));
    for (Rung& rung : rungs) {
        rung.x = question.at(rung.sigma);
        rung.denoised = evaluate(model, question, rung.x, rung.sigma);
    }

    const auto text = describe(settings, question, model, rungs);
    const bool by_time = settings.sigmas.empty() && rungs.front().t;
    if (!settings.save.empty()) save_tensors(settings.save, rungs, text);
    const fs::path picture = free_path(folder / ("denoise-" + question.name + ".png"));
    write_png(picture, {picture_of(rungs, question, model.config, settings.scale, by_time), text});
    if (!settings.machine.quiet) print_table(rungs, question, model.config.preconditioner);
    return picture;
}

}    // namespace lull
