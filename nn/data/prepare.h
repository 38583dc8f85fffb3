// One size and one kind of colours for all images of a data set, and words for what was done.
#pragma once

#include <optional>
#include <string>

#include "nn/data/image_dataset.h"
#include "nn/data/load_options.h"

namespace lull {

// What the options say, or what they leave to the images (LoadOptions::size). common: the size that all images have.
ImageSize chosen_size(const LoadOptions& options, std::optional<ImageSize> common);

// u8 (…, 1 or 3) with 1 or 3 channels: grey repeated, or R, G, B weighted .299, .587, .114 (Rec. 601, as Pillow does).
Tensor with_channels(const Tensor& pixels, std::int64_t channels);

// ", resized so that the shorter side is 32 and cropped in the middle"; empty when there was nothing to do.
std::string describe_fit(std::optional<ImageSize> common, const ImageSize& size, Fit fit);

// "4,312 colour images of 61 sizes in 10 classes". sizes: "61 sizes" or "28×28".
std::string describe_images(const ImageDataset& data, const std::string& sizes);

// The same images, each fitted to the chosen size in the chosen colours. default_fit: unless the options name one. Says
// what it did.
ImageDataset prepared(const ImageDataset& data, const LoadOptions& options, Fit default_fit);

}    // namespace lull
