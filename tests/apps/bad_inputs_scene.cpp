// The files that the table of bad inputs speaks of.
#include <limits>
#include <map>

#include "engine/io/png.h"
#include "engine/io/safetensors.h"
#include "tests/apps/bad_inputs.h"
#include "tests/apps/workshop.h"

namespace lull::test {

namespace fs = std::filesystem;

namespace {

void make_data(const fs::path& folder) {
    const Workshop shop;    // 40 images
    const std::string images = read_bytes(shop.folder / "train-images-idx3-ubyte"),
                      labels = read_bytes(shop.folder / "train-labels-idx1-ubyte");
    const auto data_set = [&](const std::string& name, const std::string& image_bytes, const std::string& label_bytes) {
        fs::create_directory(folder / name);
        write_bytes(folder / name / "train-images-idx3-ubyte", image_bytes);
        write_bytes(folder / name / "train-labels-idx1-ubyte", label_bytes);
    };
    data_set("data", images, labels);
    data_set("truncated-data", images.substr(0, images.size() / 2), labels);
    data_set("foreign-data", "GIF89a, not IDX", labels);
    data_set("fewer-labels", images, idx_header({39}) + std::string(39, '\0'));
    data_set("other-data", idx_header({40, 28, 28}) + std::string(40 * 784, '\7'), labels);
    data_set("flat-data", idx_header({40, 784}) + std::string(40 * 784, '\0'), labels);
    data_set("no-images", idx_header({0, 28, 28}), idx_header({0}));
    fs::create_directory(folder / "corrupt-data");
    write_bytes(folder / "corrupt-data" / "train-images-idx3-ubyte.gz", "\x1f\x8b\x08 and then no gzip");
    write_bytes(folder / "corrupt-data" / "train-labels-idx1-ubyte", labels);
    fs::create_directory(folder / "empty");
}

void make_pictures(const fs::path& folder) {
    for (const char* name : {"pictures", "broken-pictures", "jpegs"}) fs::create_directory(folder / name);
    write_png(folder / "pictures" / "1.png", {full({20, 30, 3}, 7, DType::u8), {}});
    const std::string png = read_bytes(folder / "pictures" / "1.png");
    write_bytes(folder / "broken-pictures" / "1.png", png);
    write_bytes(folder / "broken-pictures" / "2.png", png.substr(0, png.size() - 30));
    write_bytes(folder / "broken-pictures" / "3.png", "GIF89a, not a PNG");
    write_bytes(folder / "jpegs" / "1.jpg", "\xff\xd8\xff\xe0");
    write_bytes(folder / "jpegs" / "2.JPEG", "\xff\xd8\xff\xe0");

    const std::string record(3073, '\3');    // one image of CIFAR-10, of class 3
    for (const std::string name : {"truncated-cifar", "foreign-cifar", "lacking-cifar"}) {
        fs::create_directory(folder / name);
        for (const std::string number : {"1", "2", "3", "4", "5"})
            if (name != "lacking-cifar" || number != "4") write_bytes(folder / name / ("data_batch_" + number + ".bin"), record);
    }
    write_bytes(folder / "truncated-cifar" / "data_batch_2.bin", record + record.substr(0, 1000));
    write_bytes(folder / "foreign-cifar" / "data_batch_3.bin", std::string(3073, '\12'));
}

void make_settings(const fs::path& folder) {
    const std::map<std::string, std::string> files{
        {"unknown-key.toml", "stpes = 10\n"},
        {"bad-value.toml", "steps = 0\n"},
        {"bad-name.toml", "preset = \"s61\"\n"},
        {"table.toml", "[train]\nsteps = 10\n"},
        {"twice.toml", "steps = 10\nsteps = 20\n"},
        {"open.toml", "preset = \"s16\n"},
        {"bare.toml", "preset = s16\n"},
        {"both.toml", "steps = 10\nminutes = 1\n"},
        {"stop.toml", "stop_after = 10\n"},
        {"flag.toml", "xflip = 1\n"},
        {"settings.json", "{\"steps\": 10}\n"},
    };
    for (const auto& [name, text] : files) write_bytes(folder / name, text);
    write_bytes(folder / "binary.toml", std::string("\x89PNG\r\n\x1a\n\0\0\0\r", 12));
}

void make_models(const fs::path& folder) {
    const std::string json = R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
    const std::string length{static_cast<char>(json.size()), 0, 0, 0, 0, 0, 0, 0};
    write_bytes(folder / "truncated.safetensors", length + json + std::string(8, '\0'));
    write_bytes(folder / "long-header.safetensors", std::string(7, '\xff') + '\x7f' + json);
    write_bytes(folder / "empty.safetensors", "");
    write_bytes(folder / "text.safetensors", "not a checkpoint at all");
    save_safetensors(folder / "foreign.safetensors", {{{"a", zeros({4})}}, {}});

    save_safetensors(folder / "wide.safetensors", {{{"x", zeros({2, 3, 32, 32})}}, {}});

    const SafetensorsFile good = load_safetensors(folder / "run" / "checkpoint.safetensors");
    const auto altered = [&](const std::string& name, const auto& alter) {
        SafetensorsFile file = good;
        file.metadata.erase("crc32");    // as another program would write it
        alter(file);
        save_safetensors(folder / name, file);
    };
    for (const std::string prefix : {"", "ema."}) {
        const std::string weight = prefix + "conv_in.weight";
        altered(prefix + "shape.safetensors", [&](SafetensorsFile& file) { file.tensors[weight] = zeros({8, 3, 3, 3}); });
        altered(prefix + "lacking.safetensors", [&](SafetensorsFile& file) { file.tensors.erase(weight); });
    }
    altered("nan.safetensors", [](SafetensorsFile& file) {
        file.tensors["ema.conv_out.bias"] = full({1}, std::numeric_limits<double>::quiet_NaN());
    });
    std::string damaged = read_bytes(folder / "run" / "checkpoint.safetensors");
    damaged[damaged.size() - 100] = static_cast<char>(damaged[damaged.size() - 100] ^ 1);
    write_bytes(folder / "damaged.safetensors", damaged);
    altered("broken-config.safetensors", [](SafetensorsFile& file) { file.metadata["config"] = "{\"model\": "; });
    altered("no-model.safetensors", [](SafetensorsFile& file) { file.metadata["config"] = "{}"; });

    fs::create_directory(folder / "pytorch");
    write_bytes(folder / "pytorch" / "diffusion_pytorch_model.bin", "PK");
    fs::create_directory(folder / "diffusers");
    fs::copy_file(folder / "foreign.safetensors", folder / "diffusers" / "diffusion_pytorch_model.safetensors");
    write_bytes(folder / "diffusers" / "config.json", R"({"_class_name": "UNet2DConditionModel"})");
}

void make_runs(const fs::path& folder) {
    const auto copy_of_run = [&](const std::string& name) {
        fs::copy(folder / "run", folder / name, fs::copy_options::recursive);
        return folder / name / "training_state.safetensors";
    };
    const fs::path truncated = copy_of_run("truncated-state");
    fs::resize_file(truncated, 1000);
    fs::remove(copy_of_run("no-state"));
    write_bytes(copy_of_run("foreign-state"), "not a training state");
    fs::copy_file(folder / "reseeded" / "training_state.safetensors", copy_of_run("other-state"),
                  fs::copy_options::overwrite_existing);
    fs::create_directory(folder / "begun");
    for (const char* name : {"config.toml", "log.jsonl"}) fs::copy_file(folder / "run" / name, folder / "begun" / name);
    fs::create_directory(folder / "full-folder");
    write_bytes(folder / "full-folder" / "thesis.tex", "\\title{}");
    write_bytes(folder / "a-file", "mine");
    fs::create_directory(folder / "read-only");
}

}    // namespace

void make_scene(const fs::path& folder, const fs::path& lull) {
    make_data(folder);
    make_pictures(folder);
    const auto train = [&](const std::string& name, const std::string& more) {
        const std::string command = "cd " + folder.string() + " && " + lull.string() +
                                    " train --preset tiny --data data --batch 4 " +
                                    "--steps 4 --sample-count 0 --quiet --outdir " + name + more + " >/dev/null";
        check(std::system(command.c_str()) == 0, "test", "cannot train ", name);
    };
    train("run", "");
    train("half", " --stop-after 2");
    train("reseeded", " --stop-after 2 --seed 1");
    const auto train_level = [&](const std::string& name, const std::string& more) {
        const std::string command = "cd " + folder.string() + " && " + lull.string() +
                                    " noise-level train --preset tiny --data data --batch 4 --steps 2 --sample-count 0 --quiet " +
                                    "--outdir " + name + more + " >/dev/null";
        check(std::system(command.c_str()) == 0, "test", "cannot train ", name);
    };
    train_level("level", "");
    train_level("small-level", " --size 8");
    make_settings(folder);
    make_models(folder);
    make_runs(folder);
    fs::permissions(folder / "read-only", fs::perms(0555));
}

}    // namespace lull::test
