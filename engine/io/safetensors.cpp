// The file: the header's length N (8 bytes, little-endian), N bytes of JSON padded with spaces, the tensors' bytes.
// The JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …, "__metadata__": {"KEY": "VALUE", …}};
// offsets count from the end of the header, and the tensors fill the rest of the file without gaps.
#include "engine/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/file.h"

namespace lull {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian; so are the machines that lull knows");

using Path = std::filesystem::path;
using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;    // the reference implementation's limit
constexpr std::string_view kMetadata = "__metadata__";

constexpr std::array<std::pair<std::string_view, DType>, 6> kDTypes{{{"F32", DType::f32},
                                                                     {"BF16", DType::bf16},
                                                                     {"F64", DType::f64},
                                                                     {"I32", DType::i32},
                                                                     {"I64", DType::i64},
                                                                     {"U8", DType::u8}}};

// One tensor's line of the header, checked against itself.
struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    std::uint64_t begin, end;    // bytes after the header
};

DType parse_dtype(const Path& path, const std::string& tensor, const Json& entry) {
    check_file(entry.contains("dtype") && entry["dtype"].is_string(), path, "tensor '", tensor, "' has no dtype");
    const auto& name = entry["dtype"].get_ref<const std::string&>();
    for (const auto& [known, dtype] : kDTypes)
        if (name == known) return dtype;
    fail_file(path, "tensor '", tensor, "' has dtype ", name, "; expected F32, F64, BF16, I32, I64 or U8");
}

// The list of unsigned integers under a key.
std::vector<std::uint64_t> parse_integers(const Path& path, const std::string& tensor, const Json& entry, const char* key) {
    const auto is_unsigned = [](const Json& value) { return value.is_number_unsigned(); };
    check_file(entry.contains(key) && entry[key].is_array() && std::all_of(entry[key].begin(), entry[key].end(), is_unsigned),
               path, "tensor '", tensor, "' has no ", key, ", or it is not a list of integers ≥ 0");
    return entry[key].get<std::vector<std::uint64_t>>();
}

Entry parse_entry(const Path& path, const std::string& name, const Json& json) {
    check_file(json.is_object(), path, "tensor '", name, "' is not described by an object");
    const DType dtype = parse_dtype(path, name, json);
    const auto extents = parse_integers(path, name, json, "shape");
    const auto offsets = parse_integers(path, name, json, "data_offsets");
    check_file(extents.size() <= kMaxRank, path, "tensor '", name, "' has ", extents.size(), " axes; expected at most ",
               kMaxRank);
    check_file(offsets.size() == 2 && offsets[0] <= offsets[1], path, "tensor '", name,
               "' has data_offsets that are not [begin, end]");

    // Signed, so that a shape that passes has extents and a number of elements that fit Shape.
    std::int64_t bytes = size_of(dtype);
    std::vector<std::int64_t> signed_extents;
    for (const std::uint64_t extent : extents) {
        check_file(extent <= std::numeric_limits<std::int64_t>::max() && !__builtin_mul_overflow(bytes, extent, &bytes), path,
                   "tensor '", name, "' has a shape too large to be real");
        signed_extents.push_back(static_cast<std::int64_t>(extent));
    }
    const Shape shape{std::span<const std::int64_t>(signed_extents)};
    check_file(static_cast<std::uint64_t>(bytes) == offsets[1] - offsets[0], path, "tensor '", name, "' of ", dtype, ' ', shape,
               " takes ", grouped(static_cast<std::uint64_t>(bytes)), " bytes, its data_offsets span ",
               grouped(offsets[1] - offsets[0]));
    return {name, dtype, shape, offsets[0], offsets[1]};
}

Json parse_json(const Path& path, const std::string& text) {
    std::set<std::string> names;
    const auto no_duplicates = [&](int depth, Json::parse_event_t event, Json& value) {
        if (event == Json::parse_event_t::key && depth == 1)
            check_file(names.insert(value.get<std::string>()).second, path, "tensor ", value, " is described twice");
        return true;
    };
    try {
        Json json = Json::parse(text, no_duplicates);
        check_file(json.is_object(), path, "not a safetensors file: its header is not a JSON object");
        return json;
    } catch (const Json::parse_error& error) {
        fail_file(path, "not a safetensors file: its header is not JSON (byte ", error.byte, ')');
    }
}

std::map<std::string, std::string> parse_metadata(const Path& path, const Json& header) {
    std::map<std::string, std::string> metadata;
    if (!header.contains(kMetadata)) return metadata;
    const Json& json = header[std::string(kMetadata)];
    check_file(json.is_object(), path, kMetadata, " is not an object");
    for (const auto& [key, value] : json.items()) {
        check_file(value.is_string(), path, kMetadata, " '", key, "' is not a string");
        metadata[key] = value.get<std::string>();
    }
    return metadata;
}

// Tensors in the order of their bytes. Throws unless they fill exactly data_bytes without gaps or overlaps.
std::vector<Entry> parse_entries(const Path& path, const Json& header, std::uint64_t data_start, std::uint64_t file_bytes) {
    std::vector<Entry> entries;
    for (const auto& [name, json] : header.items())
        if (name != kMetadata) entries.push_back(parse_entry(path, name, json));
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::uint64_t end = 0;
    for (const Entry& entry : entries) {
        check_file(entry.begin == end, path, "tensor '", entry.name, "' starts at byte ", grouped(entry.begin), " of the data; ",
                   entry.begin < end ? "it overlaps the one before, which ends at " : "nothing describes the bytes from ",
                   grouped(end));
        end = entry.end;
    }
    const std::uint64_t wanted = data_start + end;
    check_file(file_bytes >= wanted, path, "truncated: header says ", grouped(wanted), " bytes, file has ", grouped(file_bytes));
    check_file(file_bytes == wanted, path, "too long: header says ", grouped(wanted), " bytes, file has ", grouped(file_bytes));
    return entries;
}

}    // namespace

SafetensorsFile load_safetensors(const Path& path) {
    const std::uint64_t file_bytes = size_of_file(path);
    std::ifstream in(path, std::ios::binary);
    check_file(in.is_open(), path, "cannot be read: permission denied?");
    const auto read = [&](void* to, std::uint64_t count) {
        in.read(static_cast<char*>(to), static_cast<std::streamsize>(count));
        check_file(in.good(), path, "cannot be read to its end");
    };

    check_file(file_bytes >= kLengthBytes, path, "not a safetensors file: it has only ", file_bytes, " bytes");
    std::uint64_t header_bytes = 0;
    read(&header_bytes, kLengthBytes);
    check_file(header_bytes <= kMaxHeader, path, "not a safetensors file, or its header is too large: ", grouped(header_bytes),
               " bytes, at most ", grouped(kMaxHeader), " are allowed");
    const std::uint64_t data_start = kLengthBytes + header_bytes;
    check_file(data_start <= file_bytes, path, "truncated: the header alone takes ", grouped(data_start), " bytes, file has ",
               grouped(file_bytes));
    std::string text(header_bytes, '\0');
    read(text.data(), header_bytes);

    const Json header = parse_json(path, text);
    SafetensorsFile file{.tensors = {}, .metadata = parse_metadata(path, header)};
    for (const Entry& entry : parse_entries(path, header, data_start, file_bytes)) {
        Tensor tensor = empty(entry.shape, entry.dtype);
        read(tensor.raw(), entry.end - entry.begin);
        file.tensors.emplace(entry.name, std::move(tensor));
    }
    return file;
}

void save_safetensors(const Path& path, const SafetensorsFile& file) {
    // Wide types first: then every tensor starts at a multiple of its element's size, as other readers expect.
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const auto& [name, tensor] : file.tensors) {
        check_file(tensor.defined(), path, "tensor '", name, "' is undefined");
        check_file(name != kMetadata, path, "no tensor can be called ", kMetadata);
        tensors.emplace_back(name, tensor.contiguous());
    }
    std::stable_sort(tensors.begin(), tensors.end(),
                     [](const auto& a, const auto& b) { return size_of(a.second.dtype()) > size_of(b.second.dtype()); });

    Json header = Json::object();
    if (!file.metadata.empty()) header[std::string(kMetadata)] = file.metadata;
    std::uint64_t end = 0;
    for (const auto& [name, tensor] : tensors) {
        const std::uint64_t begin = end;
        end += static_cast<std::uint64_t>(tensor.elements()) * static_cast<std::uint64_t>(size_of(tensor.dtype()));
        const auto known =
            std::find_if(kDTypes.begin(), kDTypes.end(), [&](const auto& k) { return k.second == tensor.dtype(); });
        header[name] = {{"dtype", known->first},
                        {"shape", std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())},
                        {"data_offsets", {begin, end}}};
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const Json::type_error&) { fail_file(path, "cannot be written: a name or a metadata string is not UTF-8"); }
    text.resize((text.size() + 7) / 8 * 8, ' ');

    AtomicFile out(path);
    const std::uint64_t header_bytes = text.size();
    out.write(&header_bytes, kLengthBytes);
    out.write(text.data(), text.size());
    for (const auto& [name, tensor] : tensors)
        out.write(tensor.raw(), static_cast<std::size_t>(tensor.elements()) * static_cast<std::size_t>(size_of(tensor.dtype())));
    out.commit();
}

}    // namespace lull
