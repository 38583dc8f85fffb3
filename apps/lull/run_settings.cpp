#include "apps/lull/run_settings.h"

#include <nlohmann/json.hpp>

namespace lull {

using nlohmann::json;

std::int64_t round_interval(std::int64_t steps) {
    std::int64_t interval = 1;
    for (std::int64_t power = 1; power <= steps / 5; power *= 10)
        for (const std::int64_t factor : {1, 2, 5})
            if (factor * power <= steps / 5) interval = factor * power;
    return interval;
}

json to_json(const RunSettings& s) {
    return {{"steps", s.steps},
            {"batch", s.batch},
            {"accumulate", s.accumulate},
            {"lr", s.learning_rate},
            {"eps", s.eps},
            {"beta2", s.beta2},
            {"weight_decay", s.weight_decay},
            {"clip", s.clip},
            {"ema", s.ema},
            {"seed", s.seed},
            {"sample_every", s.sample_every},
            {"sample_count", s.sample_count},
            {"save_every", s.save_every},
            {"keep", s.keep}};
}

void read_json(const json& all, RunSettings& s) {
    all.at("steps").get_to(s.steps);
    all.at("batch").get_to(s.batch);
    all.at("accumulate").get_to(s.accumulate);
    all.at("lr").get_to(s.learning_rate);
    all.at("eps").get_to(s.eps);
    all.at("beta2").get_to(s.beta2);
    all.at("weight_decay").get_to(s.weight_decay);
    all.at("clip").get_to(s.clip);
    all.at("ema").get_to(s.ema);
    all.at("seed").get_to(s.seed);
    all.at("sample_every").get_to(s.sample_every);
    all.at("sample_count").get_to(s.sample_count);
    all.at("save_every").get_to(s.save_every);
    all.at("keep").get_to(s.keep);
}

}    // namespace lull
