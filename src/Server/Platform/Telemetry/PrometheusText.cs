using System.Globalization;
using System.Text;

namespace Atoll.Platform.Telemetry;

/// <summary>Writes metrics in the text format 0.0.4 of Prometheus.</summary>
/// <remarks>
/// Only in this one: OpenMetrics would have the counters of Triton's names end in <c>_total</c>, and Prometheus prefers it where it is offered,
/// so that dashboards made for Triton would find nothing.
/// </remarks>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static void Write(StringBuilder text, MetricSeries metric)
    {
        // A metric without a value yet is left out, its words, too.
        var all = metric.All.ToList();
        if (all.Count == 0) return;
        var name = NameOf(metric);
        text.Append("# HELP ").Append(name).Append(' ').Append(Escape(metric.Instrument.Description ?? metric.Instrument.Name, isLabel: false)).Append('\n');
        text.Append("# TYPE ").Append(name).Append(' ').Append(metric.Kind switch { MetricKind.Counter => "counter", MetricKind.Gauge => "gauge", _ => "histogram" }).Append('\n');
        foreach (var series in all)
        {
            if (metric.Kind == MetricKind.Histogram) WriteHistogram(text, name, metric, series);
            else WriteLine(text, name, series.Labels.Text, series.Value);
        }
    }

    /// <summary>The name as Prometheus has it: with the unit, and <c>_total</c> for counters. Names of Triton stay as they are.</summary>
    public static string NameOf(MetricSeries metric)
    {
        var name = Word(metric.Instrument.Name);
        if (name.StartsWith("nv_", StringComparison.Ordinal)) return name;
        var unit = metric.Instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        if (!name.EndsWith(unit, StringComparison.Ordinal)) name += unit;
        return metric.Kind == MetricKind.Counter ? name + "_total" : name;
    }

    public static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in tags)
        {
            if (text.Length > 0) text.Append(',');
            text.Append(Word(key)).Append("=\"").Append(Escape(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "", isLabel: true)).Append('"');
        }
        return text.ToString();
    }

    private static void WriteHistogram(StringBuilder text, string name, MetricSeries metric, MetricSeries.Series series)
    {
        var labels = series.Labels.Text.Length == 0 ? "" : series.Labels.Text + ",";
        long count = 0;
        for (var bucket = 0; bucket <= metric.Bounds.Count; bucket++)
        {
            count += series.CountOf(bucket);
            var bound = bucket < metric.Bounds.Count ? Number(metric.Bounds[bucket]) : "+Inf";
            WriteLine(text, name + "_bucket", $"{labels}le=\"{bound}\"", count);
        }
        WriteLine(text, name + "_sum", series.Labels.Text, series.Value);
        WriteLine(text, name + "_count", series.Labels.Text, count);
    }

    private static void WriteLine(StringBuilder text, string name, string labels, double value)
    {
        text.Append(name);
        if (labels.Length > 0) text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Word(string name)
    {
        var word = new StringBuilder(name);
        for (var i = 0; i < word.Length; i++)
            if (!char.IsAsciiLetterOrDigit(word[i]) && word[i] != '_') word[i] = '_';
        return char.IsAsciiDigit(word[0]) ? $"_{word}" : word.ToString();
    }

    private static string Escape(string text, bool isLabel)
    {
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return isLabel ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text;
    }
}
