// Images in rows and columns that have titles.
#pragma once

#include <string>
#include <vector>

#include "apps/lull/model.h"
#include "engine/tensor.h"

namespace lull {

struct LabelledGrid {
    Tensor images = {};    // (rows × columns, H, W, 1 or 3) f32 in [-1, 1], row by row
    int columns = 1;
    int row_group = 1, column_group = 1;            // a wider gap after every so many
    std::vector<std::string> row_titles = {};       // one per row, or none
    std::vector<std::string> column_titles = {};    // one per group of columns, or none
    std::string corner = {};                        // the title of the titles
    int scale = 1;                                  // size of an image's pixel
};

// u8 (H', W', 3). Titles are of the letters that Canvas has.
Tensor draw(const LabelledGrid& grid);

// x of noise level σ at the data's contrast, to be looked at: with the mean kept, x is divided by as much as its noise has
// widened it, √(σ² + s²) / s, s being the model's contrast. What has no noise stays as it is.
Tensor at_data_contrast(const Tensor& x, double sigma, const ModelConfig& model);

// A noise level as a title: three digits, "0.02", "44.9".
std::string sigma_title(double sigma);

}    // namespace lull
