// The file, under gzip or not: 0, 0, the element type (8: unsigned byte), the number of axes; the extents, outermost first,
// 4 bytes each, big-endian; the elements.
#include "engine/io/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "engine/io/bytes.h"
#include "engine/io/file.h"

namespace lull {
namespace {

constexpr std::uint8_t kUnsignedByte = 8;

class GzipReader {
  public:
    explicit GzipReader(const std::filesystem::path& path, unsigned buffer_bytes = 1u << 18)
        : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
        check_file(file_ != nullptr, path, "cannot be opened: permission denied?");
        gzbuffer(file_.get(), buffer_bytes);
    }

    // Reads up to count bytes: fewer only at the file's end.
    std::uint64_t read(void* to, std::uint64_t count) {
        constexpr std::uint64_t kPiece = 1u << 30;    // gzread counts in int
        std::uint64_t done = 0;
        while (done < count) {
            const auto piece = static_cast<unsigned>(std::min(count - done, kPiece));
            const int got = gzread(file_.get(), static_cast<char*>(to) + done, piece);
            int error = Z_OK;
            gzerror(file_.get(), &error);
            if (error == Z_BUF_ERROR) fail_file(path_, "truncated: the gzip stream breaks off");
            check_file(got >= 0, path_, "damaged: the gzip stream is corrupt");
            if (got == 0) break;
            done += static_cast<std::uint64_t>(got);
        }
        return done;
    }

  private:
    std::filesystem::path path_;
    std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

// The four bytes that begin an IDX file; nothing when the file begins otherwise.
std::optional<std::array<std::uint8_t, 4>> read_magic(GzipReader& in) {
    std::array<std::uint8_t, 4> magic{};
    if (in.read(magic.data(), 4) == 4 && magic[0] == 0 && magic[1] == 0 && magic[3] >= 1) return magic;
    return std::nullopt;
}

}    // namespace

bool begins_as_idx(const std::filesystem::path& path) {
    constexpr unsigned kSmallBuffer = 512;
    GzipReader in(path, kSmallBuffer);
    return read_magic(in).has_value();
}

Tensor load_idx(const std::filesystem::path& path) {
    const std::uint64_t file_bytes = size_of_file(path);
    GzipReader in(path);
    const auto magic = read_magic(in);
    check_file(magic.has_value(), path, "not an IDX file");
    check_file((*magic)[2] == kUnsignedByte, path, "expected unsigned bytes (element type 8), got type ", int{(*magic)[2]});
    check_file((*magic)[3] <= kMaxRank, path, "expected at most ", kMaxRank, " axes, got ", int{(*magic)[3]});

    std::vector<std::uint8_t> extent_bytes((*magic)[3] * std::size_t{4});
    check_file(in.read(extent_bytes.data(), extent_bytes.size()) == extent_bytes.size(), path,
               "truncated: it ends in its header");
    std::vector<std::int64_t> extents;
    std::uint64_t wanted = 1;
    for (std::size_t i = 0; i < extent_bytes.size(); i += 4) {
        const std::uint64_t extent = from_big_endian(&extent_bytes[i]);
        check_file(!__builtin_mul_overflow(wanted, extent, &wanted), path, "damaged: its extents are too large to be real");
        extents.push_back(static_cast<std::int64_t>(extent));
    }
    const Shape shape{std::span<const std::int64_t>(extents)};
    // Before memory is asked for: a damaged extent must not ask for all there is.
    check_file(wanted / kMaxDeflateRatio <= file_bytes, path, "truncated: header says ", shape, ", ", grouped(wanted),
               " bytes; the file's ", grouped(file_bytes), " cannot hold them");

    Tensor elements = empty(shape, DType::u8);
    const std::uint64_t got = in.read(elements.raw(), wanted);
    check_file(got == wanted, path, "truncated: header says ", shape, ", ", grouped(wanted), " bytes, file has ", grouped(got));
    // Reading to the end also makes zlib compare the checksum.
    std::uint8_t beyond = 0;
    check_file(in.read(&beyond, 1) == 0, path, "too long: header says ", shape, ", ", grouped(wanted), " bytes, file has more");
    return elements;
}

}    // namespace lull
