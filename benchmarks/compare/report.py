"""The comparison as Markdown."""

from goals import CELLS, cell_name


def verdict(row):
    if "ratio" not in row:
        return "no PyTorch figure"
    better = (lambda ratio, goal: ratio <= goal) if row["measure"] == "memory" else (lambda ratio, goal: ratio >= goal)
    return "aim" if better(row["ratio"], row["aim"]) else "must" if better(row["ratio"], row["must"]) else "missed"


def milliseconds(of):
    return f"{of['median_ms']:.4g} ms ({of['min_ms']:.4g}–{of['max_ms']:.4g})"


def side(row, name):
    of = row.get(name)
    if row["measure"] == "convolutions":
        span = f" ({of['lowest']['fraction']:.2f}–{of['highest']['fraction']:.2f}× by layer)" if of else ""
        return f"{of['gflops']:.0f} GFLOP/s{span}" if of else f"the peak, {row['peak_gflops']:.0f} GFLOP/s"
    if of is None:
        return "failed"
    cell = f", {of['cell']}" if name == "torch" else ""
    if row["measure"] == "memory":
        return f"{of['mib']} MiB{cell}"
    if row["measure"] == "first step":
        return f"{of['median_s']:.3g} s ({of['min_s']:.3g}–{of['max_s']:.3g}){cell}"
    return milliseconds(of) + cell


def goals_table(results):
    lines = ["| goal | | lull | PyTorch's best | ratio | must | aim | reached |", "|---|---|---|---|---|---|---|---|"]
    for row in results:
        ratio = f"**{row['ratio']:.2f}×**" if "ratio" in row else "–"
        what = row["workload"] + (", peak memory" if row["measure"] == "memory" else "")
        lines.append(f"| {row['goal']} | {what} | {side(row, 'lull')} | {side(row, 'torch')} | {ratio} | {row['must']}× | "
                     f"{row['aim']}× | {verdict(row)} |")
    shares = [row["others_share"] for row in results if "others_share" in row]
    if shares:
        lines += ["", f"While times were taken, other programs had up to {max(shares):.0%} of the machine's processors."]
    return lines


def throughput_table(results, limits):
    lines = ["| lull | images/s | GFLOP/s | of the precision's peak |", "|---|---|---|---|"]
    for row in results:
        gflops = row["lull"]["gflops"]
        peak = limits["peak_gflops_bf16" if row["workload"].endswith("bf16") else "peak_gflops"]
        lines.append(f"| {row['workload']} | {row['lull']['images_per_s']:.4g} | {gflops:.0f} | "
                     f"{gflops / peak:.0%} |")
    return lines


def matrix_table(results):
    names = [cell_name(cell) for cell in CELLS]
    lines = ["| PyTorch, ms | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in results:
        cells = [row["matrix"].get(name, {}) for name in names]
        lines.append(f"| {row['workload']} | " + " | ".join(
            "failed" if "failed" in c else f"{c['median_ms']:.4g}" if c else "–" for c in cells) + " |")
    return lines


def parity_table(parity):
    lines = ["| relative to PyTorch's f32 | loss | gradient | worst parameter | samples | loss curves apart at most |",
             "|---|---|---|---|---|---|"]
    for model, report in parity.items():
        for name, of in (("lull f32", "f32"), ("lull bf16", "bf16"), ("PyTorch f32, NHWC", "control"),
                         ("PyTorch bf16", "bf16_of_torch")):
            d = report[of]
            apart = f"{d['largest_curve_difference']:.1e}" if "largest_curve_difference" in d else ""
            lines.append(f"| {model.upper()}, {name} | {d['loss']:.1e} | {d['gradient']:.1e} | {d['worst_parameter']:.1e} | "
                         f"{d['samples']:.1e} | {apart} |")
    return lines


def markdown(record):
    machine, limits = record["machine"], record["limits"]
    lines = [
        f"{machine['date']}, {machine['cpu']}, {machine['threads']} threads, lull {machine['commit']} ({limits['target']}, "
        f"{machine['compiler']}), PyTorch {machine['torch']}, diffusers {machine['diffusers']}.",
        "",
        f"Measured in the same run: {limits['peak_gflops']:.0f} GFLOP/s of f32 multiply-adds, {limits['peak_gflops_bf16']:.0f} of bf16, "
        f"{limits['copy_gb_per_s']:.0f} GB/s of copying (read and written).",
        ""]
    if record["parity"]:
        lines += [*parity_table(record["parity"]), ""]
    if record["goals"]:
        lines += [*goals_table(record["goals"]), ""]
    timed = [row for row in record["goals"] if row["measure"] == "time"]
    if timed:
        lines += [*throughput_table(timed, limits), "", *matrix_table(timed), ""]
    return "\n".join(lines)
