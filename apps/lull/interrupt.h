// Ctrl-C: a wish to stop that long work asks for at moments when it can.
//
//     const InterruptGuard guard;
//     while (…) { work(); if (interrupted()) break; }
//     save();
//     if (interrupted()) throw Interrupted("stopped after step 40 of 100; to go on: …");
#pragma once

#include "engine/error.h"

namespace lull {

// While one lives, a first SIGINT (Ctrl-C), SIGTERM or SIGHUP (the terminal was closed) only makes interrupted() true; a second
// one ends the program at once, as it would have without. This holds also where SIGINT and SIGTERM were ignored, as a shell
// does for a script's background jobs. An ignored SIGHUP stays so, as nohup wants it, and a second one does nothing, because
// shell and terminal each send one.
// The end of the last guard brings the former handlers back and forgets the wish. For the main thread.
class InterruptGuard {
  public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;
};

// Whether a signal has come since the first living guard was made. False without one. For any thread.
bool interrupted();

// Work ended early because of the signal, with everything worth keeping kept: a line for the user, and the exit status
// that shells give to it, 128 + the signal's number: 130 for Ctrl-C, 143 for SIGTERM, 129
// for SIGHUP.
class Interrupted : public Error {
  public:
    explicit Interrupted(const std::string& message);    // while a guard lives
    int status() const { return status_; }

  private:
    int status_;
};

}    // namespace lull
