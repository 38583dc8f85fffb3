#include "engine/machine.h"

#include <hwy/highway.h>

#include "engine/error.h"

namespace lull {

void check_machine() {
    check((hwy::SupportedTargets() & HWY_STATIC_TARGET) != 0, "machine", "this program was built for ",
          hwy::TargetName(HWY_STATIC_TARGET), ", which this processor does not have: build it here, or with -DLULL_ARCH=avx2");
}

}    // namespace lull
