using System.Globalization;
using Atoll.Contracts;
using Atoll.Platform;

namespace Atoll.Promotion;

/// <summary>Judges the scores of a version. A failed gate is data, not an error.</summary>
internal static class Gate
{
    /// <summary>Judges one condition. A score that the version does not have fails it.</summary>
    public static GateResult Judge(GateRequest gate, IReadOnlyDictionary<string, double> metrics)
    {
        double? actual = metrics.TryGetValue(gate.Metric, out var value) ? value : null;
        if (actual is null)
        {
            return new GateResult(
                gate.Metric, false,
                metrics.Count == 0
                    ? "The version has no scores: nobody gave samples to measure it by. To promote it without a gate, remove the alias first."
                    : $"The version has no score '{gate.Metric}'. {Spelling.Ask(gate.Metric, metrics.Keys)}It has {string.Join(", ", metrics.Keys.Order(StringComparer.Ordinal))}.",
                gate.AtLeast, gate.AtMost);
        }
        var low = gate.AtLeast is { } least && actual < least;
        var high = gate.AtMost is { } most && actual > most;
        var explanation = (low, high) switch
        {
            (true, _) => $"{gate.Metric} {Text(actual.Value)} is below {Text(gate.AtLeast!.Value)}.",
            (_, true) => $"{gate.Metric} {Text(actual.Value)} is above {Text(gate.AtMost!.Value)}.",
            _ => $"{gate.Metric} {Text(actual.Value)} is {Bounds(gate)}.",
        };
        return new GateResult(gate.Metric, !low && !high, explanation, gate.AtLeast, gate.AtMost, actual);
    }

    /// <summary>
    /// The gate when none was asked for: the main score of the task is not worse than that of the version to be replaced,
    /// measured on its own held-out samples.
    /// </summary>
    public static IReadOnlyList<GateRequest> NotWorseThan(string task, IReadOnlyDictionary<string, double> replaced)
    {
        // A version that came from elsewhere may have no such score; then there is nothing to compare with.
        if (task == TaskKinds.Tensors) return [];
        var metric = MetricNames.Primary(task);
        if (!replaced.TryGetValue(metric, out var bound)) return [];
        return MetricNames.HigherIsBetter(metric) == true
            ? [new GateRequest { Metric = metric, AtLeast = bound }]
            : [new GateRequest { Metric = metric, AtMost = bound }];
    }

    private static string Bounds(GateRequest gate) => (gate.AtLeast, gate.AtMost) switch
    {
        ({ } least, { } most) => $"between {Text(least)} and {Text(most)}",
        ({ } least, null) => $"at least {Text(least)}",
        (null, { } most) => $"at most {Text(most)}",
        _ => "present",
    };

    private static string Text(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);
}
