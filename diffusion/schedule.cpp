#include "diffusion/schedule.h"

#include <algorithm>
#include <vector>

namespace lull {

Tensor each(const Tensor& sigma, const std::function<double(double)>& f) {
    std::vector<double> values = sigma.values();
    std::transform(values.begin(), values.end(), values.begin(), f);
    return from_values(values, sigma.shape(), sigma.dtype()).to(sigma.device());
}

}    // namespace lull
