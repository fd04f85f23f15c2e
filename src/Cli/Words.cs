using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Cli;

/// <summary>Numbers, sizes and times as people read them.</summary>
internal static class Words
{
    public static string Bytes(long bytes) => bytes switch
    {
        < 1000 => $"{bytes} B",
        < 999_500 => Scaled(bytes / 1e3, "kB"),
        < 999_500_000 => Scaled(bytes / 1e6, "MB"),
        < 999_500_000_000 => Scaled(bytes / 1e9, "GB"),
        _ => Scaled(bytes / 1e12, "TB"),
    };

    public static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    public static string Percent(double fraction) => (fraction * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    /// <summary>A score or a measured value, with the digits that matter.</summary>
    public static string Score(double value)
    {
        var size = Math.Abs(value);
        return value.ToString(size >= 1000 ? "N0" : size >= 100 ? "0.0" : size >= 10 ? "0.00" : size >= 0.001 || size == 0 ? "0.000" : "0.0e0", CultureInfo.InvariantCulture);
    }

    /// <summary>A value of data, as short as it can be said.</summary>
    public static string Value(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: < 1 } => $"{Math.Max(0, time.TotalMilliseconds):0} ms",
        { TotalSeconds: < 9.95 } => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
        { TotalSeconds: < 99.5 } => $"{time.TotalSeconds:0} s",
        { TotalHours: < 1 } => $"{(int)time.TotalMinutes} min {time.Seconds} s",
        { TotalDays: < 1 } => $"{(int)time.TotalHours} h {time.Minutes} min",
        _ => $"{(int)time.TotalDays} d {time.Hours} h",
    };

    /// <summary>How long ago, coarsely.</summary>
    public static string Ago(DateTime utc, TimeProvider clock)
    {
        var age = clock.GetUtcNow().UtcDateTime - utc;
        return age switch
        {
            { TotalSeconds: < 10 } => "just now",
            { TotalSeconds: < 100 } => $"{age.TotalSeconds:0} s ago",
            { TotalMinutes: < 100 } => $"{age.TotalMinutes:0} min ago",
            { TotalHours: < 48 } => $"{age.TotalHours:0} h ago",
            _ => $"{age.TotalDays:0} d ago",
        };
    }

    public static string Plural(long count, string noun, string? plural = null) => $"{Count(count)} {(count == 1 ? noun : plural ?? noun + "s")}";

    /// <summary>The score that says most about these, with its name.</summary>
    /// <param name="metrics">By name.</param>
    /// <param name="valueFirst">For a column that may be cut.</param>
    public static string? MainScore(IReadOnlyDictionary<string, double>? metrics, bool valueFirst = false)
    {
        if (metrics is null) return null;
        foreach (var name in (ReadOnlySpan<string>)[MetricNames.Accuracy, MetricNames.MacroF1, MetricNames.MicroF1, MetricNames.R2, MetricNames.Rmse])
            if (metrics.TryGetValue(name, out var value)) return valueFirst ? $"{Score(value)} {name}" : $"{name} {Score(value)}";
        return metrics.Count == 0 ? null : $"{metrics.First().Key} {Score(metrics.First().Value)}";
    }

    private static string Scaled(double value, string unit) => value.ToString(value >= 100 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + unit;
}
