// lull noise-level, and what other commands do with its predictors: on made-up images.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/lull/predictor_eval.h"
#include "apps/lull/predictor_settings.h"
#include "engine/io/png.h"
#include "engine/threads.h"
#include "tests/apps/run_files.h"
#include "tests/apps/workshop.h"
#include "tests/support/compare.h"
#include "tests/support/error_of.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Result train_level(const Workshop& shop, const std::string& name, const Words& more) {
    return run(Words{"noise-level", "train", "--preset", "tiny", "--data", shop.folder.path().string(), "--quiet", "--outdir",
                     shop.path(name)} +
               more);
}

const Words kShort{"--steps",        "30", "--batch",      "4", "--sample-every", "10",
                   "--sample-count", "8",  "--save-every", "4", "--keep",         "2"};

struct Trained : Workshop {
    Trained() {
        REQUIRE(train_level(*this, "level", kShort).status == 0);
        REQUIRE(train_level(*this, "ln", kShort + Words{"--target", "ln-sigma"}).status == 0);
        REQUIRE(Workshop::train("run", {"--steps", "3", "--sample-count", "0"}).status == 0);
    }
};

const Trained& trained() {
    static const Trained shop;
    return shop;
}

// The cells of a table with tabs, line by line.
std::vector<Words> table_of(const std::string& path) {
    std::istringstream table(read_bytes(path));
    std::vector<Words> rows;
    for (std::string line; std::getline(table, line);) {
        rows.emplace_back();
        std::istringstream cells(line);
        for (std::string cell; std::getline(cells, cell, '\t');) rows.back().push_back(cell);
    }
    return rows;
}

nlohmann::json evaluated(const Workshop& shop, const std::string& name, const Words& more = {}) {
    const Result result = run(Words{"noise-level", "eval", shop.path(name), "--split", "train", "--quiet", "--json"} + more);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return nlohmann::json::parse(result.out);
}

}    // namespace

TEST_CASE("a predictor's run that stops twice and goes on ends as the whole run does, bit for bit") {
    const Workshop shop;
    const int before = thread_count();
    for (const char* target : {"logit", "ln-sigma"}) {
        const std::string whole = std::string("whole-") + target, parts = std::string("parts-") + target;
        const Words settings = kShort + Words{"--target", target};
        REQUIRE(train_level(shop, whole, settings).status == 0);
        REQUIRE(train_level(shop, parts, settings + Words{"--stop-after", "7", "--threads", "1"}).status == 0);
        const Words resume{"noise-level", "train", "--quiet", "--resume", shop.path(parts)};
        REQUIRE(run(resume + Words{"--stop-after", "20", "--threads", "2"}).status == 0);
        const Result finished = run(resume + Words{"--threads", "1"});
        REQUIRE_MESSAGE(finished.status == 0, finished.err);
        check_same_run(shop.path(whole), shop.path(parts));
        CHECK(run(resume).err == "lull: " + shop.path(parts) + ": is finished: 30 of 30 steps\n");
    }
    set_thread_count(before);
}

TEST_CASE("a predictor's settings file trains it again") {
    const Workshop shop;
    const Words settings{"--steps", "5", "--batch", "4", "--sample-count", "0", "--target", "ln-sigma", "--sigma-max", "50"};
    REQUIRE(train_level(shop, "first", settings).status == 0);
    const Result again =
        run({"noise-level", "train", "--config", shop.path("first") + "/config.toml", "--quiet", "--outdir", shop.path("again")});
    REQUIRE_MESSAGE(again.status == 0, again.err);
    check_same_run(shop.path("first"), shop.path("again"));
    const Result plan = train_level(shop, "planned", settings + Words{"--dry-run"});
    CHECK(plan.out.find("# lull noise-level train --config THIS_FILE") != std::string::npos);
    CHECK(plan.out.find("target = \"ln-sigma\"") != std::string::npos);
    CHECK(plan.out.find("range-low = -1") != std::string::npos);
    CHECK_FALSE(fs::exists(shop.path("planned")));
}

TEST_CASE("a predictor learns to beat the best constant, and its table says at which levels") {
    const Workshop shop;
    REQUIRE(train_level(shop, "level", {"--steps", "150", "--batch", "32", "--sample-count", "0"}).status == 0);
    const nlohmann::json report = evaluated(shop, "level", {"--count", "400"});
    CHECK(report.at("loss") < 0.5 * report.at("constants")[0].at("loss").get<double>());
    CHECK(report.at("loss").get<double>() == doctest::Approx(report.at("logit_loss").get<double>()).epsilon(1e-4));
    std::int64_t images = 0;
    double squares = 0;
    for (const auto& row : report.at("rows")) {
        images += row.at("images").get<std::int64_t>();
        squares += row.at("images").get<double>() * std::pow(row.at("rms").get<double>(), 2);
        CHECK(row.at("low") < row.at("high"));
    }
    CHECK(images == 400);
    CHECK(4 * squares / 400 == doctest::Approx(report.at("logit_loss").get<double>()));
}

TEST_CASE("eval asks about images that were not trained on, unless it is told to") {
    const Trained& shop = trained();
    const auto images = [&](const Words& more) {
        const Result result = run(Words{"noise-level", "eval", shop.path("ln"), "--quiet", "--json"} + more);
        REQUIRE_MESSAGE(result.status == 0, result.err);
        return nlohmann::json::parse(result.out).at("images");
    };
    // Three test images: the first three of the others.
    const fs::path folder = shop.folder.path();
    const std::string bytes = read_bytes(folder / "train-images-idx3-ubyte"),
                      labels = read_bytes(folder / "train-labels-idx1-ubyte");
    write_bytes(folder / "t10k-images-idx3-ubyte", idx_header({3, 28, 28}) + bytes.substr(16, 3 * 28 * 28));
    write_bytes(folder / "t10k-labels-idx1-ubyte", idx_header({3}) + labels.substr(8, 3));
    CHECK(images({}) == 3);
    CHECK(images({"--split", "train"}) == 40);
    fs::remove(folder / "t10k-images-idx3-ubyte");
    fs::remove(folder / "t10k-labels-idx1-ubyte");
    CHECK(images({}) == 40);
}

TEST_CASE("errors by level are means over what lies there") {
    const LevelAnswers answers{.sigma = {0.5, 0.9, 2, 40}, .predicted = {0.5 * std::exp(0.3), 0.9 * std::exp(-0.1), 2, 20}};
    const std::vector<LevelRow> rows = errors_by_level(answers);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].images == 2);
    CHECK(rows[0].bias == doctest::Approx(0.1));
    CHECK(rows[0].rms == doctest::Approx(std::sqrt(0.05)));
    CHECK(rows[0].low == doctest::Approx(std::sqrt(0.1)));
    CHECK(rows[0].high == doctest::Approx(1));
    CHECK(rows[1].rms == 0);
    CHECK(rows[2].bias == doctest::Approx(-std::log(2)));
}

TEST_CASE("eval prints a table and draws a picture, and asks the same images the same questions each time") {
    const Trained& shop = trained();
    const Words eval{"noise-level", "eval",     shop.path("ln"),      "--split", "train", "--count",
                     "50",          "--outdir", shop.path("pictures")};
    const Result result = run(eval);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    CHECK(result.out.find("ln-sigma, 50 images of") != std::string::npos);
    CHECK(result.out.find("always") != std::string::npos);
    CHECK(result.out.find("rms of ln") != std::string::npos);
    CHECK(result.out.ends_with(shop.path("pictures") + "/noise-level.png\n"));
    CHECK(read_png(shop.path("pictures") + "/noise-level.png").pixels.shape() == Shape{420, 720, 3});
    CHECK(run(eval + Words{"--quiet"}).out == shop.path("pictures") + "/noise-level-2.png\n");

    const nlohmann::json once = evaluated(shop, "ln", {"--count", "50"}), more = evaluated(shop, "ln", {"--count", "60"});
    CHECK(once == evaluated(shop, "ln", {"--count", "50", "--threads", "1"}));
    CHECK(once != evaluated(shop, "ln", {"--count", "50", "--seed", "1"}));
    CHECK(once != evaluated(shop, "ln", {"--count", "50", "--weights", "raw"}));
    CHECK(more.at("images") == 60);    // of 40: the first 20 again, with other noise
    CHECK(once.at("constants")[0].at("expected_loss").get<double>() == doctest::Approx(std::pow(std::log(40'000.), 2) / 12));
}

TEST_CASE("inspect knows a predictor") {
    const Trained& shop = trained();
    const std::string text = run({"inspect", shop.path("level")}).out;
    CHECK(text.find("Noise-level predictor") != std::string::npos);
    CHECK(text.find("answers                 logit") != std::string::npos);
    CHECK(text.find("training step           30 of 30") != std::string::npos);
    const nlohmann::json all = nlohmann::json::parse(run({"inspect", shop.path("level"), "--json"}).out);
    CHECK(all.at("noise_level").at("target") == "logit");
    CHECK(all.at("tensors").contains("stem.conv1.weight"));
    const std::string hash = run({"inspect", shop.path("level"), "--hash"}).out;
    CHECK(hash == all.at("sha256").get<std::string>() + '\n');
    CHECK(hash != run({"inspect", shop.path("level"), "--hash", "--weights", "raw"}).out);
}

TEST_CASE("a predictor is no model, a model is no predictor, and each goes on with its own command") {
    const Trained& shop = trained();
    CHECK(run({"sample", shop.path("level")}).err ==
          "lull: " + shop.path("level") +
              "/checkpoint.safetensors: is a noise-level predictor, which draws nothing; lull "
              "sample MODEL --blind takes it\n");
    CHECK(run({"noise-level", "eval", shop.path("run")}).err ==
          "lull: " + shop.path("run") +
              "/checkpoint.safetensors: is no noise-level predictor; lull noise-level train makes one\n");
    CHECK(run({"train", "--resume", shop.path("level")}).err ==
          "lull: " + shop.path("level") + ": is a run of another command; to go on: lull noise-level train --resume " +
              shop.path("level") + '\n');
    CHECK(run({"noise-level", "train", "--resume", shop.path("run")}).err ==
          "lull: " + shop.path("run") + ": is a run of another command; to go on: lull train --resume " + shop.path("run") +
              '\n');
    CHECK(train_level(shop, "level", {}).err ==
          "lull: " + shop.path("level") +
              ": has a run already; choose another --outdir, or go on with it: lull noise-level "
              "train --resume " +
              shop.path("level") + '\n');
}

TEST_CASE("blind sampling draws other images than ordinary sampling, each a function of its seed whatever the batch") {
    const Trained& shop = trained();
    const Tensor ordinary = shop.images("run", {});
    for (const Words& way : {Words{"--blind", shop.path("level")}, Words{"--blind", shop.path("ln"), "--blind-way", "denoiser"},
                             Words{"--blind", shop.path("ln"), "--blind-way", "adaptive", "--sampler", "euler"},
                             Words{"--blind", shop.path("level"), "--sampler", "ddim", "--clip", "2"}}) {
        CAPTURE(way.back());
        const Tensor images = shop.images("run", way);
        CHECK(absolute_error(images, ordinary) > 1e-3);
        CHECK(same_bits(shop.images("run", way + Words{"--batch", "3"}), images));
    }
    const Words median{"--blind", shop.path("level"), "--blind-clamp", "median"};
    CHECK_FALSE(same_bits(shop.images("run", median), shop.images("run", median + Words{"--batch", "3"})));
}

TEST_CASE("every flag of blind sampling changes the images, and stands in the picture's text") {
    const Trained& shop = trained();
    const auto text = [&](const Words& more) {
        const std::string folder = shop.path("flags");
        fs::remove_all(folder);
        const Result result = run(Words{"sample", shop.path("run"), "--quiet", "--steps", "6", "--seeds", "0-3", "--blind",
                                        shop.path("level"), "--outdir", folder} +
                                  more);
        REQUIRE_MESSAGE(result.status == 0, result.err);
        return read_png(result.out.substr(0, result.out.find('\n'))).text;
    };
    const Words ddim{"--sampler", "ddim"};
    struct Flag {
        Words plain, with;
        const char* said;
    };
    const Flag flags[] = {
        {{}, {"--no-finish"}, "resynchronised, clamp schedule, no last evaluation"},
        {{}, {"--blind-clamp", "none"}, "resynchronised, clamp none"},
        {{}, {"--blind-clamp", "median"}, "resynchronised, clamp median"},
        {{}, {"--blind-way", "denoiser"}, "denoiser, clamp schedule"},
        {ddim, {"--blind-noise", "half"}, "resynchronised, clamp schedule, noise half"},
        {ddim, {"--blind-noise", "median"}, "resynchronised, clamp schedule, noise median"},
    };
    for (const auto& [plain, with, said] : flags) {
        CAPTURE(said);
        CHECK(text(plain + with).at("Blind") == said);
        const Words blind = Words{"--blind", shop.path("level"), "--steps", "6"} + plain;
        CHECK_FALSE(same_bits(shop.images("run", blind), shop.images("run", blind + with)));
    }
    CHECK(text(ddim).at("Blind") == "resynchronised, clamp schedule");
    CHECK_FALSE(text({}).contains("Batch"));
    CHECK(text({"--blind-clamp", "median", "--batch", "2"}).at("Batch") == "2");
}

TEST_CASE("adaptive sampling follows the plan's noise levels, and says what it cost") {
    const Trained& shop = trained();
    const Words adaptive{"--sampler", "euler", "--blind", shop.path("ln"), "--blind-way", "adaptive", "--steps", "9"};
    const Tensor images = shop.images("run", adaptive);
    CHECK_FALSE(same_bits(shop.images("run", adaptive + Words{"--sigma-max", "40"}), images));
    CHECK_FALSE(same_bits(shop.images("run", adaptive + Words{"--rho", "3"}), images));
    CHECK_FALSE(same_bits(shop.images("run", adaptive + Words{"--sigma-min", "1"}), images));

    const Result result =
        run(Words{"sample", shop.path("run"), "--seeds", "0-4", "--batch", "2", "--explain", "--outdir", shop.path("adaptive")} +
            adaptive);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const std::string stem = shop.path("adaptive") + "/samples-euler-9-seeds-0-4";
    const std::string said = read_png(stem + ".png").text.at("Evaluations");
    CHECK(result.err.find(said + '\n') != std::string::npos);
    double mean = 0;
    int fewest = 0, most = 0;
    REQUIRE(std::sscanf(said.c_str(), "%lf evaluations of the network per image, %d to %d", &mean, &fewest, &most) == 3);
    CHECK((1 <= fewest && fewest <= mean && mean <= most && most <= 18));
    // The table counts the same: about how many images each step asked. And it knows ŷ of all in every step.
    const std::vector<Words> rows = table_of(stem + "-explain.tsv");
    double asked = 0, rounds = 0;
    for (std::size_t i = 1; i < rows.size(); ++i) {
        asked += std::stod(rows[i][2]);
        rounds = std::max(rounds, std::stod(rows[i][3]));
        CHECK(std::stoi(rows[i][2]) <= std::stoi(rows[i][1]));
        if (rows[i][3] != "0") CHECK_FALSE(rows[i][8].empty());
    }
    CHECK(asked == doctest::Approx(5 * mean));
    CHECK(rounds == most);
}

TEST_CASE("a film-strip of a blind sampler ends with the images that were delivered") {
    const Trained& shop = trained();
    const std::string folder = shop.path("film");
    const Result result = run({"sample", shop.path("run"), "--quiet", "--steps", "3", "--seeds", "0", "--scale", "1", "--blind",
                               shop.path("level"), "--trajectory", "--outdir", folder});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const Tensor picture = read_png(folder + "/samples-heun-3-seeds-0.png").pixels;    // of one image, 32 × 32 with a border
    const Tensor film = read_png(folder + "/samples-heun-3-seeds-0-trajectory.png").pixels;
    const std::int64_t border = (picture.size(0) - 32) / 2, margin = 10;
    const auto gray = [](const Tensor& of, std::int64_t top, std::int64_t left) {
        return of.slice(0, top, top + 32).slice(1, left, left + 32).slice(2, 0, 1).contiguous();
    };
    CHECK(same_bits(gray(film, film.size(0) - margin - 32, film.size(1) - margin - 32), gray(picture, border, border)));
}

TEST_CASE("a predictor that was shown less noise than images start from is noted") {
    const Trained& shop = trained();
    REQUIRE(train_level(shop, "weak",
                        {"--steps", "2", "--batch", "4", "--sample-count", "0", "--target", "ln-sigma", "--sigma-max", "40"})
                .status == 0);
    const auto said = [&](const std::string& name, const Words& more) {
        return run(Words{"sample", shop.path("run"), "--steps", "2", "--seeds", "0", "--blind", shop.path(name), "--outdir",
                         shop.path("noted")} +
                   more)
            .err;
    };
    const std::string note =
        "note: " + shop.path("weak") +
        "/checkpoint.safetensors was shown noise up to sigma 40 in the model's units, and images start at 80\n";
    CHECK(said("weak", {}).find(note) != std::string::npos);
    CHECK(said("weak", {"--sigma-max", "40"}).find("note") == std::string::npos);
    CHECK(said("ln", {}).find("note") == std::string::npos);
    CHECK(said("level", {}).find("note") == std::string::npos);
}

TEST_CASE("blind samplers tell a conditional model the classes of the images that they ask about") {
    const Trained& shop = trained();
    REQUIRE(shop.Workshop::train("classes", {"--steps", "3", "--sample-count", "0", "--conditional"}).status == 0);
    for (const char* way : {"resynchronised", "denoiser", "adaptive"}) {
        const Words blind{"--sampler", "euler", "--blind", shop.path("ln"), "--blind-way", way};
        const Tensor images = shop.images("classes", blind);    // of classes 0 to 7
        CHECK(same_bits(shop.images("classes", blind + Words{"--labels", "0,1,2,3,4,5,6,7", "--batch", "5"}), images));
        CHECK_FALSE(same_bits(shop.images("classes", blind + Words{"--labels", "3"}), images));
    }
}

TEST_CASE("explain writes a table and curves, and the picture says how it was drawn") {
    const Trained& shop = trained();
    const Result result = run({"sample", shop.path("run"), "--blind", shop.path("level"), "--steps", "4", "--seeds", "0-4",
                               "--batch", "3", "--explain", "--quiet", "--outdir", shop.path("explained")});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const std::string stem = shop.path("explained") + "/samples-heun-4-seeds-0-4";
    CHECK(result.out == stem + ".png\n" + stem + "-explain.tsv\n" + stem + "-explain.png\n");
    const auto text = read_png(stem + ".png").text;
    CHECK(text.at("Blind") == "resynchronised, clamp schedule");
    CHECK(text.at("Predictor SHA-256").size() == 64);
    CHECK(read_png(stem + "-explain.png").pixels.shape() == Shape{1260, 720, 3});

    const std::vector<Words> rows = table_of(stem + "-explain.tsv");
    // Two batches: the start, four steps and the last evaluation of each.
    REQUIRE(rows.size() == 1 + 2 * 6);
    CHECK(rows[0][12] == "abar_min");
    Words evaluations;
    for (std::size_t i = 1; i < rows.size(); ++i) evaluations.push_back(rows[i][5]);
    CHECK(evaluations == Words{"0", "2", "2", "2", "1", "1", "0", "2", "2", "2", "1", "1"});
    CHECK(rows[1][0] == "0");
    CHECK(rows[7][0] == "3");
    CHECK(rows[7][1] == "2");
    for (const std::size_t i : {2u, 3u, 9u}) {
        CHECK(std::stod(rows[i][12]) <= std::stod(rows[i][13]));
        CHECK(std::stod(rows[i][13]) <= std::stod(rows[i][14]));
        CHECK(std::stod(rows[i][15]) >= 0);
        CHECK(std::stod(rows[i][15]) <= 1);
    }
    CHECK(rows[5][4] == "0");
    for (const std::string& column : rows[0])
        CHECK_MESSAGE(read_bytes(source_dir() / "docs/noise-level.md").find('`' + column + '`') != std::string::npos, column);

    // Without a predictor there is nothing to say about noise; with a judge there is, and nothing is clamped.
    const Words plain{"sample", shop.path("run"), "--steps", "2",        "--seeds",
                      "1",      "--explain",      "--quiet", "--outdir", shop.path("plain")};
    REQUIRE(run(plain).status == 0);
    CHECK(read_bytes(shop.path("plain") + "/samples-heun-2-seeds-1-explain.tsv").find("\t\t\t\t\t\n") != std::string::npos);
    REQUIRE(run(plain + Words{"--judge", shop.path("ln")}).status == 0);
    CHECK(read_bytes(shop.path("plain") + "/samples-heun-2-seeds-1-2-explain.tsv").find("\t\t\t\t\n") != std::string::npos);
}

TEST_CASE("presets and settings survive JSON") {
    PredictorSettings settings;
    CHECK(settings.steps == 2344);
    CHECK(settings.batch == 512);
    CHECK(settings.learning_rate == 1e-2);
    CHECK(settings.eps == 1e-5);
    settings.low = -2;
    settings.high = 3;
    settings.flip = true;
    settings.task = {.target = LevelTarget::ln_sigma, .sigma_min = 0.01, .sigma_max = 20};
    CHECK(to_json(predictor_settings_from_json(to_json(settings))) == to_json(settings));
    CHECK(error_of([] { predictor_settings_from_json({{"steps", 3}}); }).starts_with("[noise_level] the run's settings"));
    CHECK(predictor_network("lesson", {32, 32, 1}) == ResNetConfig{});
    CHECK(error_of([] {
              predictor_network("lessen", {32, 32, 1});
          }) == "--preset: unknown preset 'lessen'; did you mean 'lesson'? (lesson, tiny)");
}
