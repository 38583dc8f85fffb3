#include "apps/lull/interrupt.h"

#include <signal.h>

#include <array>
#include <atomic>

namespace lull {
namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};

// What a signal handler may touch: lock-free atomics.
std::atomic<int> received{0};    // the signal's number, 0: none yet
static_assert(std::atomic<int>::is_always_lock_free);

int guards = 0;
std::array<struct sigaction, kSignals.size()> former{};

extern "C" void on_signal(int number) {
    int none = 0;
    if (received.compare_exchange_strong(none, number) || number == SIGHUP) return;
    // The second one: as if nothing had been installed, so that the parent process sees the signal as the cause.
    signal(number, SIG_DFL);
    raise(number);
}

}    // namespace

InterruptGuard::InterruptGuard() {
    if (guards++ > 0) return;
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;    // no read or write fails because of it
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        sigaction(kSignals[i], &action, &former[i]);
        if (kSignals[i] == SIGHUP && former[i].sa_handler == SIG_IGN) sigaction(SIGHUP, &former[i], nullptr);
    }
}

InterruptGuard::~InterruptGuard() {
    if (--guards > 0) return;
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &former[i], nullptr);
    received = 0;
}

bool interrupted() { return received != 0; }

Interrupted::Interrupted(const std::string& message) : Error(message), status_(128 + received) {}

}    // namespace lull
