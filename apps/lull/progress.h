// Progress of a long run: one line that is drawn over on a terminal, a plain line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace lull {

enum class ProgressStyle { silent, lines, bar };

// A bar where standard error is a terminal, otherwise lines.
ProgressStyle progress_style(bool quiet);

// "3:07", "1:02:45".
std::string format_duration(double seconds);

class Progress {
  public:
    // unit: what is counted, "step"; out: normally std::cerr.
    Progress(std::ostream& out, ProgressStyle style, std::string unit, std::int64_t total, std::int64_t done = 0);
    ~Progress();    // ends the bar's line
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // So many units are done; details ("loss 0.231  130 images/s") stand between the count and the time left. Drawn at
    // most ten times a second as a bar, every ten seconds as lines, and at the end, then with the time and the memory it took.
    void update(std::int64_t done, const std::string& details);

    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }    // since the start

    // A whole line of its own, above the bar.
    void note(const std::string& line);

  private:
    using Clock = std::chrono::steady_clock;

    std::string bar() const;
    void erase();

    std::ostream& out_;
    ProgressStyle style_;
    std::string unit_;
    std::int64_t total_, done_, first_;
    Clock::time_point start_ = Clock::now(), drawn_{};
    std::size_t width_ = 0;    // of what stands in the terminal's line
};

}    // namespace lull
