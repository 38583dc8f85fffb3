#include "apps/lull/interrupt.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

using namespace lull;

namespace {

// How a child process ends that does this: waitpid's status.
int end_of_child(const std::function<void()>& work) {
    const pid_t child = fork();
    if (child == 0) {
        work();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

}    // namespace

TEST_CASE("the first signal is a wish, and the guard's end forgets it") {
    CHECK_FALSE(interrupted());
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        const InterruptGuard guard;
        CHECK_FALSE(interrupted());
        raise(number);
        CHECK(interrupted());
        CHECK(Interrupted("stopped").status() == 128 + number);
        {
            const InterruptGuard inner;
            CHECK(interrupted());
        }
        CHECK(interrupted());
    }
    CHECK_FALSE(interrupted());
}

TEST_CASE("the second signal ends the program, whichever of the two it is") {
    const int status = end_of_child([] {
        const InterruptGuard guard;
        raise(SIGINT);
        raise(SIGTERM);
    });
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("after the guard, the former handlers are back") {
    const int killed = end_of_child([] {
        signal(SIGINT, SIG_DFL);
        { const InterruptGuard guard; }
        raise(SIGINT);
    });
    CHECK(WIFSIGNALED(killed));
    const int ignored = end_of_child([] {
        signal(SIGINT, SIG_IGN);
        { const InterruptGuard guard; }
        raise(SIGINT);
    });
    CHECK(WIFEXITED(ignored));
}

TEST_CASE("a signal that a shell had ignored for a background job is heard") {
    const int status = end_of_child([] {
        signal(SIGINT, SIG_IGN);
        const InterruptGuard guard;
        raise(SIGINT);
        _exit(interrupted() ? 7 : 0);
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("a closed terminal is heard once however often it is told, and not at all under nohup") {
    const int heard = end_of_child([] {
        signal(SIGHUP, SIG_DFL);
        const InterruptGuard guard;
        raise(SIGHUP);
        raise(SIGHUP);
        _exit(interrupted() ? 7 : 0);
    });
    REQUIRE(WIFEXITED(heard));
    CHECK(WEXITSTATUS(heard) == 7);
    const int ignored = end_of_child([] {
        signal(SIGHUP, SIG_IGN);
        const InterruptGuard guard;
        raise(SIGHUP);
        _exit(interrupted() ? 7 : 0);
    });
    REQUIRE(WIFEXITED(ignored));
    CHECK(WEXITSTATUS(ignored) == 0);
}
