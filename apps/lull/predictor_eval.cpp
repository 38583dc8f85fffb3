#include "apps/lull/predictor_eval.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/lull/interrupt.h"
#include "apps/lull/model.h"
#include "apps/lull/predictor_plot.h"
#include "apps/lull/run_folder.h"
#include "engine/error.h"
#include "engine/io/png.h"
#include "nn/data/load_images.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

double mean_square(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value * value;
    return sum / static_cast<double>(values.size());
}

// The loss of a constant answer to these levels.
double loss_of(const NoiseLevelTask& task, double constant, const std::vector<double>& sigma) {
    const auto count = static_cast<std::int64_t>(sigma.size());
    std::vector<double> errors = task.answer(from_values(sigma, {count, 1}, DType::f64)).values();
    for (double& error : errors) error -= constant;
    return mean_square(errors);
}

void print(std::ostream& out, const json& report, const Predictor& predictor, const std::string& images) {
    const auto line = [&](const char* format, auto... values) {
        char text[160];
        std::snprintf(text, sizeof text, format, values...);
        out << text << '\n';
    };
    out << predictor.file.string() << ": " << name_of(predictor.config.task.target) << ", " << images << "\n\n";
    line("loss                  %10.4f", report["loss"].get<double>());
    for (const json& constant : report["constants"])
        line("always %-14.4g %10.4f    %.4f expected", constant["value"].get<double>(), constant["loss"].get<double>(),
             constant["expected_loss"].get<double>());
    line("as logit of abar      %10.4f", report["logit_loss"].get<double>());
    out << "\n       sigma from          to      images   bias of ln   rms of ln\n";
    for (const json& row : report["rows"])
        line("%17.4g%12.4g%12lld%13.4f%12.4f", row["low"].get<double>(), row["high"].get<double>(),
             static_cast<long long>(row["images"].get<std::int64_t>()), row["bias"].get<double>(), row["rms"].get<double>());
    out << '\n';
}

bool has_test_images(const std::filesystem::path& data) {
    try {
        return has_part(data, Split::test);
    } catch (const Error&) {    // a folder of training images alone; what else is wrong will be said of those
        return false;
    }
}

DataOptions data_of(const PredictorEvalSettings& s, const Predictor& predictor) {
    DataOptions data = data_of_model(s.data, data_part(predictor.description), predictor.config.image());
    if (!s.data.split_given && has_test_images(data.path)) data.load.split = Split::test;
    return data;
}

}    // namespace

std::vector<LevelRow> errors_by_level(const LevelAnswers& answers) {
    std::map<int, LevelRow> rows;    // by 2 log₁₀ σ, rounded down
    const std::vector<double> errors = log_errors(answers.predicted, answers.sigma);
    for (std::size_t i = 0; i < errors.size(); ++i) {
        const int level = static_cast<int>(std::floor(2 * std::log10(answers.sigma[i])));
        LevelRow& row = rows.try_emplace(level, LevelRow{std::pow(10, level / 2.), std::pow(10, (level + 1) / 2.)}).first->second;
        ++row.images;
        row.bias += errors[i];
        row.rms += errors[i] * errors[i];
    }
    std::vector<LevelRow> all;
    for (auto& [level, row] : rows) {
        row.bias /= static_cast<double>(row.images);
        row.rms = std::sqrt(row.rms / static_cast<double>(row.images));
        all.push_back(row);
    }
    return all;
}

json report(const NoiseLevelTask& task, const LevelAnswers& answers) {
    json constants = json::array(), rows = json::array();
    for (const auto& [value, expected] : task.constants())
        constants.push_back({{"value", value}, {"expected_loss", expected}, {"loss", loss_of(task, value, answers.sigma)}});
    for (const LevelRow& row : errors_by_level(answers))
        rows.push_back({{"low", row.low}, {"high", row.high}, {"images", row.images}, {"bias", row.bias}, {"rms", row.rms}});
    return {{"target", name_of(task.target)},
            {"images", answers.sigma.size()},
            {"loss", answers.loss},
            {"logit_loss", 4 * mean_square(log_errors(answers.predicted, answers.sigma))},    // logit ᾱ = -2 ln σ
            {"constants", constants},
            {"rows", rows}};
}

fs::path evaluate_predictor(const PredictorEvalSettings& s, std::ostream& out) {
    s.machine.apply();
    const fs::path folder = s.outdir.empty() ? find_model(s.predictor).parent_path() : s.outdir;
    make_folder(folder);
    check_writable(folder);
    const InterruptGuard guard;
    Predictor predictor = load_predictor(s.predictor, s.weights);
    predictor.net = moved(predictor.net, s.machine.chosen_device());
    const PredictorConfig& config = predictor.config;
    const DataOptions options = data_of(s, predictor);
    const ImageDataset data = load_data(options).range(config.black, config.white);

    const LevelAnswers answers = ask(config, predictor.net, data, s.count > 0 ? s.count : data.size(), s.seed);
    const json all = report(config.task, answers);
    const std::string images = std::to_string(answers.sigma.size()) + " images of " + data.name;
    if (s.as_json)
        out << all.dump(2) << '\n';
    else if (!s.machine.quiet)
        print(out, all, predictor, images);
    const fs::path picture = free_path(folder / "noise-level.png");
    write_png(picture, {plot_levels(config.task, answers),
                        {{"Software", "lull " LULL_VERSION}, {"Model", predictor.file.string()}, {"Images", images}}});
    return picture;
}

}    // namespace lull
