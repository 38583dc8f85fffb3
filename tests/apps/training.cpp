// Runs that stop, are stopped, killed or spoiled, and go on: on made-up images, by bytes.
#include "apps/lull/training.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/lull/run_folder.h"
#include "apps/lull/shell.h"
#include "engine/threads.h"
#include "tests/apps/run_files.h"
#include "tests/apps/workshop.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

long lines_of(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// A run of 30 steps, with more than one interval of everything.
const std::vector<std::string> kLength{"--steps",      "30", "--sample-every", "10", "--sample-count", "1",
                                       "--save-every", "4",  "--keep",         "2"};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Result resume(const Workshop& shop, const std::string& name, const std::vector<std::string>& more = {}) {
    return run(std::vector<std::string>{"train", "--quiet", "--resume", shop.path(name)} + more);
}

// `lull train` as a process of its own.
class Child {
  public:
    Child(const Workshop& shop, const std::string& name, const std::vector<std::string>& more)
        : folder_(shop.path(name)), errors_(shop.path(name + ".errors")) {
        std::vector<std::string> arguments =
            std::vector<std::string>{LULL_PROGRAM, "train", "--preset", "tiny",           "--data", shop.folder.path().string(),
                                     "--batch",    "4",     "--outdir", folder_.string(), "--quiet"} +
            more;
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
        REQUIRE(posix_spawn(&id_, LULL_PROGRAM, &actions, nullptr, argv.data(), environ) == 0);
        posix_spawn_file_actions_destroy(&actions);
    }
    // Sends the signal once so many steps are logged. Returns waitpid's status.
    int end_after(std::size_t steps, int number) const {
        while (!fs::exists(folder_ / "log.jsonl") ||
               static_cast<std::size_t>(lines_of(read_bytes(folder_ / "log.jsonl"))) < steps + 1)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        kill(id_, number);
        int status = 0;
        waitpid(id_, &status, 0);
        return status;
    }

    std::string errors() const { return read_bytes(errors_); }

  private:
    fs::path folder_, errors_;
    pid_t id_ = 0;
};

}    // namespace

TEST_CASE("a run that stops twice and goes on, with other threads, ends as the whole run does, bit for bit") {
    const Workshop shop;
    const int before = thread_count();
    REQUIRE(shop.train("whole", kLength).status == 0);

    const Result stopped = shop.train("parts", kLength + std::vector<std::string>{"--stop-after", "7", "--threads", "1"});
    CHECK(stopped.status == 0);
    CHECK(stopped.out == shop.path("parts") + '\n');
    CHECK(logged_steps(shop.path("parts")).size() == 7);
    // Not a planned checkpoint, so it has no numbered name.
    CHECK(fs::exists(shop.path("parts") + "/checkpoint-000004.safetensors"));
    CHECK_FALSE(fs::exists(shop.path("parts") + "/checkpoint-000007.safetensors"));

    REQUIRE(resume(shop, "parts", {"--stop-after", "20", "--threads", "2"}).status == 0);
    const Result finished = resume(shop, "parts", {"--threads", "1"});
    set_thread_count(before);
    REQUIRE_MESSAGE(finished.status == 0, finished.err);
    check_same_run(shop.path("whole"), shop.path("parts"));

    const auto files = contents(shop.path("whole"));
    CHECK(files.contains("checkpoint-000028.safetensors"));
    CHECK_FALSE(files.contains("checkpoint-000024.safetensors"));
    CHECK(files.at("checkpoint-000030.safetensors") == files.at("checkpoint.safetensors"));
    CHECK(resume(shop, "parts").err == "lull: " + shop.path("parts") + ": is finished: 30 of 30 steps\n");
}

TEST_CASE("Ctrl-C ends a run with a checkpoint, status 130 and a line that says how to go on") {
    const Workshop shop;
    REQUIRE(shop.train("whole", kLength).status == 0);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        const std::string name = number == SIGINT ? "int" : number == SIGTERM ? "term" : "my hangup";    // a name to be quoted
        const Child child(shop, name, kLength);
        const int status = child.end_after(5, number);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 128 + number);
        const std::size_t made = logged_steps(shop.path(name)).size();
        CHECK(made >= 5);
        CHECK(made < 30);
        CHECK(child.errors() == "lull: stopped after step " + std::to_string(made) + " of 30; to go on: lull train --resume " +
                                    shell_word(shop.path(name)) + '\n');
        const Result resumed = resume(shop, name);
        REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
        check_same_run(shop.path("whole"), shop.path(name));
    }

    TrainSettings settings;
    settings.preset = "tiny";
    settings.data.path = shop.folder.path();
    settings.outdir = shop.path("raised");
    settings.steps = 9;
    settings.batch = 4;
    settings.sample_count = 0;
    settings.machine.quiet = true;
    settings.on_step = [](const TrainedStep& step) {
        if (step.step == 3) raise(SIGINT);
    };
    CHECK(error_of([&] { train_model(settings); }) ==
          "stopped after step 3 of 9; to go on: lull train --resume " + shop.path("raised"));
}

TEST_CASE("a killed run goes on from its last checkpoint, and what it had begun to write is gone") {
    const Workshop shop;
    REQUIRE(shop.train("whole", kLength).status == 0);
    const int status = Child(shop, "killed", kLength).end_after(10, SIGKILL);
    REQUIRE(WIFSIGNALED(status));
    write_bytes(shop.path("killed") + "/checkpoint.safetensors.tmp0", "half a checkpoint");
    write_bytes(shop.path("killed") + "/samples/step-000010.png.tmp12", "half a picture");
    const Result resumed = resume(shop, "killed");
    REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
    check_same_run(shop.path("whole"), shop.path("killed"));
}

TEST_CASE("a run that is killed between its files goes on as if it had not been") {
    const Workshop shop;
    REQUIRE(shop.train("whole", kLength).status == 0);
    REQUIRE(shop.train("later", kLength + std::vector<std::string>{"--stop-after", "12"}).status == 0);
    REQUIRE(shop.train("mixed", kLength + std::vector<std::string>{"--stop-after", "10"}).status == 0);
    // The new checkpoint under both names, the old state; and the state's own grid not yet drawn.
    for (const char* name : {"checkpoint.safetensors", "checkpoint-000012.safetensors"})
        fs::copy_file(shop.path("later") + '/' + name, shop.path("mixed") + '/' + name, fs::copy_options::overwrite_existing);
    fs::remove(shop.path("mixed") + "/samples/step-000010.png");
    const Result resumed = resume(shop, "mixed");
    REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
    check_same_run(shop.path("whole"), shop.path("mixed"));

    // After the last step, too.
    fs::remove(shop.path("mixed") + "/samples/step-000030.png");
    CHECK(resume(shop, "mixed").status == 0);
    check_same_run(shop.path("whole"), shop.path("mixed"));
    CHECK(resume(shop, "mixed").status == 1);
}

TEST_CASE("what cannot be resumed is refused in one line, and left as it was") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "6", "--stop-after", "3", "--sample-count", "0"}).status == 0);
    const fs::path folder = shop.path("run");
    const auto refuses = [&](const std::string& message, const std::vector<std::string>& more = {}) {
        const auto before = contents(folder);
        const Result result = resume(shop, "run", more);
        CHECK(result.status != 0);
        CHECK(lines_of(result.err) == 1);
        CHECK_MESSAGE(result.err.find(message) != std::string::npos, result.err);
        CHECK(contents(folder) == before);
    };
    for (const char* name : {kCheckpointName, kStateName}) {
        const std::string whole = read_bytes(folder / name);
        write_bytes(folder / name, whole.substr(0, whole.size() / 2));
        refuses(std::string(name) + ": ");
        write_bytes(folder / name, "");
        refuses(std::string(name) + ": ");
        std::string other = whole;
        other.replace(8, 1, "?");    // of the JSON header
        write_bytes(folder / name, other);
        refuses(std::string(name) + ": ");
        other = whole;
        other[whole.size() / 2] ^= 1;    // of a weight
        write_bytes(folder / name, other);
        refuses(std::string(name) + ": is damaged");
        fs::remove(folder / name);
        refuses(name);
        write_bytes(folder / name, whole);
    }
    refuses("--stop-after: expected more than the 3 steps made, and at most 6, got 3", {"--stop-after", "3"});
    refuses(
        "--steps: cannot be given with --resume: the run keeps its settings, and its learning rate is planned to its last step",
        {"--steps", "60"});
    refuses("--lr: cannot be given with --resume: the run keeps its settings", {"--lr", "1"});
    {
        const FolderLock lock(folder);
        refuses("another process is training in this folder");
    }
    std::string images = read_bytes(shop.folder / "train-images-idx3-ubyte");
    images.back() = '\x7f';
    write_bytes(shop.folder / "train-images-idx3-ubyte", images);
    refuses(
        "was trained on other data: on 40 images of 32×32 in grey, this is 40 images of 32×32 in grey, but not the same ones");
}

TEST_CASE("a conditional run learns with its data's classes, and goes on as any other") {
    const Workshop shop;
    const auto conditional = kLength + std::vector<std::string>{"--conditional"};
    REQUIRE(shop.train("plain", kLength).status == 0);
    REQUIRE(shop.train("whole", conditional).status == 0);
    REQUIRE(shop.train("parts", conditional + std::vector<std::string>{"--stop-after", "13"}).status == 0);
    const Result resumed = resume(shop, "parts");
    REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
    check_same_run(shop.path("whole"), shop.path("parts"));

    const auto checkpoint = load_safetensors(shop.path("whole") + "/checkpoint.safetensors");
    CHECK(checkpoint.tensors.at("class_embedding.weight").size(0) == 10);
    const auto config = nlohmann::json::parse(checkpoint.metadata.at("config"));
    CHECK(config.at("training").at("conditional") == true);
    CHECK(config.at("model").at("unet").at("num_class_embeds") == 10);
    // The same images, noise and start but for the classes, which make a difference from the first step on.
    CHECK(logged_steps(shop.path("plain")).front().at("loss") != logged_steps(shop.path("whole")).front().at("loss"));
}

TEST_CASE("a loss that is not finite ends the run at its step, with its noise level and the last good checkpoint") {
    const Workshop shop;
    const Result result =
        shop.train("run", {"--steps", "50", "--lr", "1e30", "--save-every", "1", "--sample-count", "0", "--keep", "3"});
    CHECK(result.status == 1);
    CHECK(lines_of(result.err) == 1);
    CHECK_MESSAGE(result.err.find("[train] step ") != std::string::npos, result.err);
    CHECK(result.err.find("sigma ") != std::string::npos);
    const std::size_t made = logged_steps(shop.path("run")).size();
    CHECK(made >= 1);
    CHECK(result.err.find("has the checkpoint of step " + std::to_string(made)) != std::string::npos);
    const auto position = load_safetensors(shop.path("run") + "/training_state.safetensors").metadata.at("training");
    CHECK(nlohmann::json::parse(position).at("position").at("step") == made);
}

TEST_CASE("a run that fails in its first step leaves nothing behind") {
    const Workshop shop;
    const std::vector<std::string> impossible{"--steps", "5", "--sigma-data", "1e-30"};    // 1 / σ_data² is more than f32 holds
    const Result result = shop.train("run", impossible);
    CHECK(result.status == 1);
    CHECK_MESSAGE(result.err.find("step 1: the loss is ") != std::string::npos, result.err);
    CHECK(result.err.find("4 of 4 images have no finite loss, at sigma ") != std::string::npos);
    CHECK(
        result.err.ends_with("; before the first step, only --sigma-data, --P-mean, --P-std and the data's range can do this\n"));
    CHECK_FALSE(fs::exists(shop.path("run")));

    fs::create_directory(shop.path("mine"));    // was there before
    CHECK(shop.train("mine", impossible).status == 1);
    CHECK(fs::is_empty(shop.path("mine")));
}

TEST_CASE("a folder that another run has is left as it is, also by one that thought it free") {
    const TemporaryFolder place;
    const fs::path folder = place / "run";
    fs::create_directory(folder);
    const FolderLock other(folder);
    write_bytes(folder / "config.json", "the other's");    // after the loser has looked
    CHECK(error_of([&] { NewRunFolder::at(folder); }) == folder.string() + ": another process is training in this folder");
    CHECK(read_bytes(folder / "config.json") == "the other's");
    const NewRunFolder own = NewRunFolder::numbered(place.path(), "name"), next = NewRunFolder::numbered(place.path(), "name");
    CHECK(next.path() == place / "name-002");
    write_bytes(own.path() / "config.json", "");
    write_bytes(next.path() / "thesis.tex", "somebody else's");
    own.remove();
    next.remove();
    CHECK_FALSE(fs::exists(own.path()));
    CHECK(read_bytes(next.path() / "thesis.tex") == "somebody else's");
}

TEST_CASE("after a disk was full between checkpoint and training state, the line tells them apart") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "8", "--stop-after", "2", "--sample-count", "0", "--save-every", "1"}).status == 0);
    const fs::path state = fs::path(shop.path("run")) / kStateName;
    // A state takes twice the room of a checkpoint; the limit, in blocks of 512 bytes, is between the two.
    const auto limit = (fs::file_size(state) + fs::file_size(fs::path(shop.path("run")) / kCheckpointName)) / 1024;
    const std::string command = "trap '' XFSZ; ulimit -f " + std::to_string(limit) + "; exec '" + LULL_PROGRAM +
                                "' train --quiet --resume '" + shop.path("run") + "' 2> '" + shop.path("errors") + "'";
    CHECK(WEXITSTATUS(std::system(command.c_str())) == 1);
    const std::string errors = read_bytes(shop.path("errors"));
    CHECK_MESSAGE(errors.ends_with("has the checkpoint of step 3; --resume goes on from step 2\n"), errors);
    REQUIRE(resume(shop, "run", {"--stop-after", "3"}).status == 0);
}

TEST_CASE("a disk that is full while saving is told in one line, and leaves the last checkpoint whole") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "8", "--stop-after", "2", "--sample-count", "0", "--save-every", "1"}).status == 0);
    const auto before = contents(shop.path("run"));
    // Files of at most 400 blocks: the log fits, a checkpoint does not.
    const std::string command = std::string("trap '' XFSZ; ulimit -f 400; exec '") + LULL_PROGRAM + "' train --quiet --resume '" +
                                shop.path("run") + "' 2> '" + shop.path("errors") + "'";
    const int status = std::system(command.c_str());
    CHECK(WEXITSTATUS(status) == 1);
    const std::string errors = read_bytes(shop.path("errors"));
    CHECK(lines_of(errors) == 1);
    CHECK_MESSAGE(errors.find("checkpoint.safetensors: cannot be written: ") != std::string::npos, errors);
    CHECK(errors.find("has the checkpoint of step 2") != std::string::npos);
    const auto after = contents(shop.path("run"));
    CHECK(after.size() == before.size());    // no temporary file
    for (const char* name : {kCheckpointName, kStateName}) CHECK(after.at(name) == before.at(name));
}
