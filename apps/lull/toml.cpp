#include "apps/lull/toml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/io/file.h"

namespace lull {
namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kKeyLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

class Reader {
  public:
    Reader(const std::filesystem::path& path, std::string text) : path_(path), text_(std::move(text)) {
        if (text_.starts_with("\xef\xbb\xbf")) position_ = 3;    // the byte order mark of Windows' editors
    }

    std::vector<TomlEntry> entries() {
        std::vector<TomlEntry> all;
        for (skip_lines(); position_ < text_.size(); skip_lines()) {
            expect(peek() != '[', "tables are not used here; write every setting as key = value, before any [table]");
            TomlEntry entry{.key = key(), .value = {}, .line = line_};
            skip(kBlank);
            expect(peek() != '.', "dotted keys are not used here; a key is a flag's name");
            expect(take('='), "expected key = value");
            skip(kBlank);
            entry.value = value();
            expect_end_of_line();
            const auto same = std::find_if(all.begin(), all.end(), [&](const TomlEntry& e) { return e.key == entry.key; });
            expect(same == all.end(), "'" + entry.key + "' is there twice");
            all.push_back(entry);
        }
        return all;
    }

  private:
    void expect(bool condition, const std::string& message) const { check_file(condition, path_, "line ", line_, ": ", message); }
    char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
    bool take(char c) {
        if (peek() != c || position_ == text_.size()) return false;
        ++position_;
        return true;
    }
    void skip(std::string_view letters) { position_ = std::min(text_.find_first_not_of(letters, position_), text_.size()); }

    // To the next thing that is neither blank nor comment.
    void skip_lines() {
        for (;;) {
            skip(kBlank);
            if (peek() == '#') position_ = std::min(text_.find('\n', position_), text_.size());
            if (!take('\n')) return;
            ++line_;
        }
    }

    void expect_end_of_line() {
        const int line = line_;
        skip_lines();
        const bool ended = position_ == text_.size() || line_ > line;
        expect(ended, "expected one value, and nothing after it; strings stand in quotes");
    }

    std::string key() {
        if (peek() == '"' || peek() == '\'') return string();
        const std::size_t begin = position_;
        skip(kKeyLetters);
        expect(position_ > begin, "expected key = value");
        return text_.substr(begin, position_ - begin);
    }

    std::string value() {
        expect(peek() != '{', "tables are not used here");
        if (peek() == '[') return array();
        if (peek() == '"' || peek() == '\'') return string();
        const std::size_t begin = position_;
        position_ = std::min(text_.find_first_of(" \t\r\n,]#", begin), text_.size());
        const std::string bare = text_.substr(begin, position_ - begin);
        expect(!bare.empty(), "expected a value after '='");
        std::string plain = bare.starts_with('+') ? bare.substr(1) : bare;
        std::erase(plain, '_');
        double number = 0;
        const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), number);
        const bool known = plain == "true" || plain == "false" || (error == std::errc() && end == plain.data() + plain.size());
        expect(known, "expected a number, true, false or a string in quotes, got " + bare);
        return plain;
    }

    std::string array() {
        std::string all;
        take('[');
        for (skip_lines(); !take(']'); skip_lines()) {
            expect(peek() != '[', "arrays in arrays are not used here");
            if (!all.empty()) all += ',';
            all += value();
            skip_lines();
            expect(take(',') || peek() == ']', "expected ',' or ']' in an array");
        }
        return all;
    }

    // "basic", with \ before special letters, or 'literal'.
    std::string string() {
        const char quote = peek();
        expect(text_.compare(position_, 3, std::string(3, quote)) != 0, "strings of several lines are not used here");
        std::string all;
        for (take(quote); !take(quote);) {
            expect(position_ < text_.size() && peek() != '\n', std::string("expected ") + quote + " at the string's end");
            if (quote == '"' && peek() == '\\') {
                all += escaped();
            } else {
                all += text_[position_++];
            }
        }
        return all;
    }

    std::string escaped() {
        constexpr std::string_view kLetters = "bfnrt\"\\", kMeant = "\b\f\n\r\t\"\\";
        const char which = position_ + 1 < text_.size() ? text_[position_ + 1] : '\0';
        if (which == 'u' || which == 'U') return code_point(which == 'u' ? 4 : 8);
        const std::size_t letter = kLetters.find(which);
        expect(letter != kLetters.npos, "unknown letter after '\\'; in a 'string' with single quotes, '\\' is itself");
        position_ += 2;
        return std::string(1, kMeant[letter]);
    }

    // \u00e9 or \U0001f600, as UTF-8.
    std::string code_point(std::size_t digits) {
        const char* const begin = text_.data() + position_ + 2;
        const char* const end = begin + std::min(digits, text_.size() - position_ - 2);
        std::uint32_t code = 0;
        const auto [rest, error] = std::from_chars(begin, end, code, 16);
        const bool whole = error == std::errc() && rest == begin + digits;
        const bool surrogate = code >= 0xd800 && code < 0xe000;
        expect(
            whole && code > 0 && code <= 0x10ffff && !surrogate,
            "expected the number of a letter after '\\" + std::string(digits == 4 ? "u': 4" : "U': 8") + " hexadecimal digits");
        position_ += 2 + digits;
        const auto continued = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
        if (code < 0x80) return {static_cast<char>(code)};
        if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), continued(0)};
        if (code < 0x10000) return {static_cast<char>(0xe0 | code >> 12), continued(6), continued(0)};
        return {static_cast<char>(0xf0 | code >> 18), continued(12), continued(6), continued(0)};
    }

    const std::filesystem::path& path_;
    std::string text_;
    std::size_t position_ = 0;
    int line_ = 1;
};

// The shortest that reads back the same; options read numbers as long double first.
std::string shortest(double value) {
    char text[40];
    for (int precision = 1;; ++precision) {
        const auto end = std::to_chars(text, text + sizeof text - 1, value, std::chars_format::general, precision).ptr;
        *end = '\0';
        if (static_cast<double>(std::strtold(text, nullptr)) == value || precision == 20) return text;
    }
}

std::string toml_value(const nlohmann::json& value) {
    if (value.is_number_float()) return shortest(value);
    if (!value.is_array()) return value.dump();    // JSON writes strings, integers and booleans as TOML does
    std::string all;
    for (const nlohmann::json& element : value) all += (all.empty() ? "" : ", ") + toml_value(element);
    return '[' + all + ']';
}

}    // namespace

std::vector<TomlEntry> read_toml(const std::filesystem::path& path) {
    constexpr std::uint64_t kMostBytes = 1 << 20;
    check_file(size_of_file(path) <= kMostBytes, path, "is too large for settings (more than 1 MiB)");
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    check_file(!file.bad() && file.is_open(), path, "cannot be read");
    check_file(text.find('\0') == text.npos, path, "is no text: expected TOML, key = value on each line");
    return Reader(path, std::move(text)).entries();
}

std::string to_toml(const nlohmann::json& settings) {
    std::string text;
    for (const auto& [name, value] : settings.items()) {
        std::string key = name;
        std::replace(key.begin(), key.end(), '_', '-');
        text += key + " = " + toml_value(value) + '\n';
    }
    return text;
}

}    // namespace lull
