// Whether this program can run on this machine.
#pragma once

namespace lull {

// Throws Error when the processor lacks the vector instructions that lull was compiled for: programs call it first, for one
// line instead of an illegal instruction.
void check_machine();

}    // namespace lull
