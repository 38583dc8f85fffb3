// Choices by name, for the command line and for checkpoints: a std::variant of small types, each with its own `name`.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <variant>

#include "engine/did_you_mean.h"
#include "engine/error.h"

namespace lull {

template <class Variant>
struct Named;

// parse("objective", "eps") of Named<Preconditioner>. The alternatives have a static constexpr `name` and can be made of
// nothing.
template <class... T>
struct Named<std::variant<T...>> {
    static constexpr std::array<std::string_view, sizeof...(T)> names{T::name...};

    static std::string_view name_of(const std::variant<T...>& choice) { return names[choice.index()]; }

    // The alternative of that name, with its defaults. what: "objective". Throws Error "[objective] unknown objective 'esp';
    // did you mean 'eps'? (edm, eps, v, ve)".
    static std::variant<T...> parse(std::string_view what, std::string_view name) {
        const std::array<std::variant<T...>, sizeof...(T)> choices{T{}...};
        for (const auto& choice : choices)
            if (name_of(choice) == name) return choice;
        fail(what, "unknown ", what, " '", name, "'", did_you_mean(name, names));
    }
};

}    // namespace lull
