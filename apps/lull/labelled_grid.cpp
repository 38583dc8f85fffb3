#include "apps/lull/labelled_grid.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "apps/lull/canvas.h"
#include "engine/io/image_grid.h"

namespace lull {
namespace {

constexpr int kGap = 2, kWideGap = 10;    // pixels between images, and between groups

// Where everything stands, in pixels.
struct Layout {
    int rows, columns, row_group, column_group;
    int cell_height, cell_width;
    int text_scale;
    int top, left;    // of the first image

    explicit Layout(const LabelledGrid& grid)
        : rows(static_cast<int>(grid.images.size(0)) / grid.columns),
          columns(grid.columns),
          row_group(grid.row_group),
          column_group(grid.column_group),
          cell_height(static_cast<int>(grid.images.size(1)) * grid.scale),
          cell_width(static_cast<int>(grid.images.size(2)) * grid.scale) {
        // As large as fits over the columns and beside the rows.
        const int width = column_group * (cell_width + kGap) - kGap;
        text_scale = 2;
        for (const std::string& title : grid.column_titles)
            if (Canvas::text_width(title, text_scale) > width) text_scale = 1;
        if (cell_height < Canvas::text_height(text_scale)) text_scale = 1;

        int widest = Canvas::text_width(grid.corner, text_scale);
        for (const std::string& title : grid.row_titles) widest = std::max(widest, Canvas::text_width(title, text_scale));
        left = kWideGap + (widest > 0 ? widest + kWideGap : 0);
        top = kWideGap + (grid.column_titles.empty() ? 0 : Canvas::text_height(text_scale) + kWideGap);
    }

    static int offset(int index, int cell, int group) { return index * (cell + kGap) + index / group * (kWideGap - kGap); }
    int y(int row) const { return top + offset(row, cell_height, row_group == 1 ? rows : row_group); }
    int x(int column) const { return left + offset(column, cell_width, column_group == 1 ? columns : column_group); }
    int height() const { return y(rows - 1) + cell_height + kWideGap; }
    int width() const { return x(columns - 1) + cell_width + kWideGap; }
};

void write_titles(Canvas& canvas, const LabelledGrid& grid, const Layout& at) {
    const int half = Canvas::text_height(at.text_scale) / 2;
    for (int i = 0; i < static_cast<int>(grid.row_titles.size()); ++i) {
        const std::string& title = grid.row_titles[static_cast<std::size_t>(i)];
        const int right = at.left - kWideGap, middle = at.y(i) + at.cell_height / 2;
        canvas.text(right - Canvas::text_width(title, at.text_scale), middle - half, title, kInk, at.text_scale);
    }
    for (int i = 0; i < static_cast<int>(grid.column_titles.size()); ++i) {
        const std::string& title = grid.column_titles[static_cast<std::size_t>(i)];
        const int first = i * at.column_group, last = first + at.column_group - 1;
        const int middle = (at.x(first) + at.x(last) + at.cell_width) / 2;
        canvas.text(middle - Canvas::text_width(title, at.text_scale) / 2, kWideGap, title, kInk, at.text_scale);
    }
    canvas.text(at.left - kWideGap - Canvas::text_width(grid.corner, at.text_scale), kWideGap, grid.corner, kInk, at.text_scale);
}

}    // namespace

Tensor draw(const LabelledGrid& grid) {
    check(grid.columns >= 1 && grid.images.size(0) % grid.columns == 0, "labelled_grid", "expected full rows of ", grid.columns,
          " images, got ", grid.images.size(0));
    const Layout at(grid);
    Canvas canvas(at.width(), at.height(), kWhite);
    write_titles(canvas, grid, at);

    Tensor picture = canvas.pixels();                                                                   // (H', W', 3)
    const Tensor cells = image_grid(grid.images, {.columns = 1, .padding = 0, .scale = grid.scale});    // one below the other
    const std::int64_t channels = cells.size(2);
    const std::uint8_t* from = cells.data<std::uint8_t>();
    for (int row = 0; row < at.rows; ++row)
        for (int column = 0; column < at.columns; ++column)
            for (int i = 0; i < at.cell_height; ++i) {
                std::uint8_t* to = picture.data<std::uint8_t>() + (std::int64_t{at.y(row) + i} * at.width() + at.x(column)) * 3;
                for (int j = 0; j < at.cell_width; ++j, from += channels)
                    for (std::int64_t c = 0; c < 3; ++c) *to++ = from[std::min(c, channels - 1)];
            }
    return picture;
}

Tensor at_data_contrast(const Tensor& x, double sigma, const ModelConfig& model) {
    const double narrower = model.contrast() / std::hypot(sigma, model.contrast());
    return affine(x, narrower, mean_of(model.preconditioner) * (1 - narrower));
}

std::string sigma_title(double sigma) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", sigma);
    return text;
}

}    // namespace lull
