#include "apps/lull/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "engine/peak_memory.h"

namespace lull {

ProgressStyle progress_style(bool quiet) {
    if (quiet) return ProgressStyle::silent;
    return isatty(STDERR_FILENO) ? ProgressStyle::bar : ProgressStyle::lines;
}

std::string format_duration(double seconds) {
    const auto total = static_cast<long long>(std::llround(seconds));
    char text[32];
    if (total >= 3600)
        std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
    else
        std::snprintf(text, sizeof text, "%lld:%02lld", total / 60, total % 60);
    return text;
}

Progress::Progress(std::ostream& out, ProgressStyle style, std::string unit, std::int64_t total, std::int64_t done)
    : out_(out), style_(style), unit_(std::move(unit)), total_(total), done_(done), first_(done) {
    // Lines wait ten seconds for the first; a bar appears at once.
    if (style_ == ProgressStyle::lines) drawn_ = start_;
}

Progress::~Progress() {
    if (style_ == ProgressStyle::bar && width_ > 0) out_ << '\n' << std::flush;
}

void Progress::update(std::int64_t done, const std::string& details) {
    if (style_ == ProgressStyle::silent) return;
    done_ = done;
    const auto now = Clock::now();
    const double pause = style_ == ProgressStyle::bar ? 0.1 : 10;
    if (done < total_ && std::chrono::duration<double>(now - drawn_).count() < pause) return;
    drawn_ = now;

    const double elapsed = std::chrono::duration<double>(now - start_).count();
    std::string line = unit_ + ' ' + std::to_string(done) + '/' + std::to_string(total_);
    if (!details.empty()) line += "  " + details;
    if (done >= total_)
        line += "  took " + format_duration(elapsed) + "  peak memory " + std::to_string(peak_memory_mib()) + " MiB";
    else if (done > first_)
        line +=
            "  " + format_duration(elapsed * static_cast<double>(total_ - done) / static_cast<double>(done - first_)) + " left";

    if (style_ == ProgressStyle::bar) {
        line = bar() + ' ' + line;
        const std::size_t width = line.size();
        if (width < width_) line.append(width_ - width, ' ');    // over what is left of a longer line
        out_ << '\r' << line << std::flush;
        width_ = width;
    } else {
        out_ << line << '\n' << std::flush;
    }
}

void Progress::note(const std::string& line) {
    if (style_ == ProgressStyle::silent) return;
    erase();
    out_ << line << '\n' << std::flush;
}

std::string Progress::bar() const {
    constexpr std::int64_t kWidth = 16;
    const std::int64_t full = total_ > 0 ? std::clamp<std::int64_t>(kWidth * done_ / total_, 0, kWidth) : kWidth;
    std::string bar(static_cast<std::size_t>(full), '=');
    if (full < kWidth) bar += '>';
    bar.resize(static_cast<std::size_t>(kWidth), ' ');
    return '[' + bar + ']';
}

void Progress::erase() {
    if (width_ == 0) return;
    out_ << '\r' << std::string(width_, ' ') << '\r';
    width_ = 0;
}

}    // namespace lull
