// Lists of classes as a user writes them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lull {

struct Model;    // apps/lull/model.h

// "3", "0-9", "3,sandal,1": numbers, inclusive ranges and names, one for each of the images, or a single one for all. classes:
// how many there are, from 0; names: theirs, or none. Throws Error, saying what was expected, for anything else.
std::vector<std::int32_t> parse_labels(std::string_view text, std::int64_t images, std::int64_t classes,
                                       std::span<const std::string> names = {});

// The seed modulo the number of classes, so that an image depends on its own seed alone; none where there are no classes.
std::vector<std::int32_t> classes_in_turn(std::span<const std::uint64_t> seeds, int classes);

// The classes of the images of these seeds (or numbers in a data set): as the text says or, if it is empty, in turn; none for
// a model without classes. Throws UsageError, naming --labels, when the text does not go with the model or parse_labels throws.
std::vector<std::int32_t> labels_for(const Model& model, const std::string& text, std::span<const std::uint64_t> seeds);

// The inverse of parse_labels: as short as ranges make it, and one number where all are the same.
std::string format_labels(std::span<const std::int32_t> labels);

}    // namespace lull
