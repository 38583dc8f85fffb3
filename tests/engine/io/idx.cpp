#include "engine/io/idx.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

// Two rows of three bytes.
const std::string kPlain = from_hex(
    "00000802"
    "00000002"
    "00000003"
    "010203fdfeff");
const std::string kGzip = from_hex("1f8b08000000000002036360e0606260600061664626e6bffffe0300d9ae026c12000000");

std::string complaint(const std::string& bytes) {
    const TemporaryFolder folder;
    write_bytes(folder / "x", bytes);
    const std::string prefix = (folder / "x").string() + ": ", message = error_of([&] { load_idx(folder / "x"); });
    CHECK_MESSAGE(message.starts_with(prefix), message);
    return message.substr(std::min(prefix.size(), message.size()));
}

}    // namespace

TEST_CASE("idx: a file is told by its first bytes, packed or not") {
    const TemporaryFolder folder;
    const auto begins = [&](const std::string& bytes) {
        write_bytes(folder / "x", bytes);
        return begins_as_idx(folder / "x");
    };
    CHECK(begins(kPlain));
    CHECK(begins(kGzip));
    CHECK(begins(kPlain.substr(0, 4)));    // truncated, but one
    CHECK_FALSE(begins(kPlain.substr(0, 3)));
    CHECK_FALSE(begins("\x89PNG\r\n"));
    CHECK_FALSE(begins(""));
}

TEST_CASE("idx: plain and gzipped files read alike") {
    const TemporaryFolder folder;
    for (const std::string& bytes : {kPlain, kGzip}) {
        write_bytes(folder / "x", bytes);
        const Tensor x = load_idx(folder / "x");
        CHECK(x.dtype() == DType::u8);
        CHECK(x.shape() == Shape{2, 3});
        CHECK(x.values() == std::vector<double>{1, 2, 3, 253, 254, 255});
    }
}

TEST_CASE("idx: a damaged or foreign file is refused in one line that says what is wrong") {
    CHECK(complaint("") == "not an IDX file");
    CHECK(complaint("PK\x03\x04 and more") == "not an IDX file");
    CHECK(complaint(from_hex("00000d0100000001") + "1234") == "expected unsigned bytes (element type 8), got type 13");
    CHECK(complaint(from_hex("00000807")) == "expected at most 6 axes, got 7");
    CHECK(complaint(kPlain.substr(0, 10)) == "truncated: it ends in its header");
    CHECK(complaint(kPlain.substr(0, 16)) == "truncated: header says (2, 3), 6 bytes, file has 4");
    CHECK(complaint(kPlain + "!") == "too long: header says (2, 3), 6 bytes, file has more");
    CHECK(complaint(from_hex("00000802"
                             "ffffffff"
                             "ffffffff")) ==
          "truncated: header says (4294967295, 4294967295), 18,446,744,065,119,617,025 bytes; the file's 12 cannot hold them");
    CHECK(complaint(from_hex("00000803"
                             "ffffffff"
                             "ffffffff"
                             "ffffffff")) == "damaged: its extents are too large to be real");
    CHECK(complaint(kGzip.substr(0, kGzip.size() - 12)) == "truncated: the gzip stream breaks off");
}

TEST_CASE("idx: gzip's checksum is looked at") {
    std::string wrong = kGzip;
    wrong[wrong.size() - 8] = static_cast<char>(wrong[wrong.size() - 8] ^ 1);
    CHECK(complaint(wrong) == "damaged: the gzip stream is corrupt");
}
