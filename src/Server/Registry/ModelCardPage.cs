using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using Atoll.Contracts;

namespace Atoll.Registry;

/// <summary>A model card as one page of HTML that needs nothing else: no script, no font, no picture; it prints on paper.</summary>
internal sealed class ModelCardPage
{
    private const int RowsMax = 100;
    private const int BarWidth = 8;

    private const string Style = """
        :root { color-scheme: light dark; }
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
        h1 { margin-bottom: 0; } h2 { margin-top: 2rem; border-bottom: 1px solid #8886; font-size: 1.2rem; }
        .sub { color: #777; margin-top: 0; } .summary { font-size: 1.1rem; }
        table { border-collapse: collapse; width: 100%; margin: .5rem 0; } th, td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; overflow-wrap: anywhere; }
        th { font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } tr + tr td { border-top: 1px solid #8883; }
        .bar { display: inline-block; height: .7rem; background: #3a7bd5; border-radius: 2px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        .scroll { overflow-x: auto; } .note { white-space: pre-wrap; }
        @media print { body { max-width: none; margin: 0; font-size: 11px; } h2 { break-after: avoid; } tr, li { break-inside: avoid; } }
        """;

    private readonly StringBuilder _html = new();

    public static string Write(ModelCardResponse card)
    {
        var page = new ModelCardPage();
        page.WriteAll(card);
        return page._html.ToString();
    }

    private void WriteAll(ModelCardResponse card)
    {
        var title = $"{card.Model} version {card.Version}";
        _html.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>")
            .Append(Text(title)).Append(" - model card</title><style>\n").Append(Style).Append("\n</style></head><body>\n");
        _html.Append("<h1>").Append(Text(title)).Append("</h1>\n<p class=\"sub\">Model card").Append(Text(card.Aliases.Count > 0 ? $" · {string.Join(", ", card.Aliases)}" : ""))
            .Append(Text(string.Create(CultureInfo.InvariantCulture, $" · {card.CreatedUtc:yyyy-MM-dd HH:mm}Z"))).Append("</p>\n<p class=\"summary\">").Append(Text(card.Summary)).Append("</p>\n");
        if (card.Notes is { } notes)
        {
            Heading("What its owner says");
            Facts(("Meant for", notes.IntendedUse), ("Not for", notes.NotFor), ("Licence", notes.Licence), ("Contact", notes.Contact));
        }
        Sentences("Known limits", card.Limits, "None were found. That does not mean that there are none.");
        Sentences("Not known", card.NotKnown, "Nothing that this card asks for.");
        if (card.Evaluation is { } evaluation) WriteEvaluation(evaluation);
        if (card.Evaluation?.Fairness is { } fairness) WriteFairness(fairness);
        WriteColumns(card);
        WriteOrigin(card);
        _html.Append("</body></html>\n");
    }

    private void WriteEvaluation(EvaluationReport evaluation)
    {
        Heading("How well it does");
        _html.Append("<p>Measured on ").Append(Number(evaluation.SampleCount)).Append(" samples that it never saw in training.</p>\n");
        Table(["score", "#held-out", "#95 % confidence"], evaluation.Metrics.Select(metric => (Cell[])
        [
            metric.Key, Value(metric.Value),
            evaluation.Intervals?.FirstOrDefault(interval => interval.Metric == metric.Key) is { } bounds ? $"{Value(bounds.Lower)} to {Value(bounds.Upper)}" : null,
        ]));
        if (evaluation.PerLabel is { Count: > 0 } labels)
        {
            Heading("By label");
            Table(["label", "#precision", "#recall", "#f1", "#samples"], labels.Take(RowsMax).Select(label => (Cell[])
                [label.Label, Percent(label.Precision), Percent(label.Recall), Percent(label.F1), Number(label.Support)]), labels.Count);
        }
        if (evaluation is { ConfusionMatrix: { Count: <= 12 } matrix, Labels: { } names })
        {
            Heading("What was taken for what");
            _html.Append("<p>Rows: actual, columns: predicted.</p>\n");
            Table(["", .. names.Select(name => "#" + name)], matrix.Select((row, i) => (Cell[])[names[i], .. row.Select(count => Number(count))]));
        }
        if (evaluation.Calibration is { Count: > 0 } bins)
        {
            Heading("Calibration");
            _html.Append("<p>Where it says to be so sure, it is so often right.</p>\n");
            Table(["says", "#on average", "#is right", "#95 % confidence", "#samples", ""], bins.Select(bin => (Cell[])
                [string.Create(CultureInfo.InvariantCulture, $"{bin.From * 100:0} to {bin.To * 100:0} %"), Percent(bin.Stated), Percent(bin.Observed), $"{Percent(bin.Lower)} to {Percent(bin.Upper)}", Number(bin.Count), new Cell(null, bin.Observed)]));
        }
    }

    private void WriteFairness(FairnessReport fairness)
    {
        Heading("How groups are treated");
        _html.Append("<p>How often '").Append(Text(fairness.Positive)).Append("' is predicted: for all of a group, for those who have it, for those who do not. In brackets the 95 % confidence, then the difference from the largest group.</p>\n");
        foreach (var column in fairness.Columns)
        {
            Table([column.Column, "#samples", "#selected", "#of those who have it", "#of those who do not"], column.Groups.Select(group => (Cell[])
            [
                group.Group, Number(group.Count), Rate(group.SelectionRate, group.SelectionDifference), Rate(group.TruePositiveRate, group.TruePositiveDifference),
                Rate(group.FalsePositiveRate, group.FalsePositiveDifference),
            ]));
            _html.Append("<p>").Append(Text(column.Finding)).Append("</p>\n");
        }
    }

    private static string? Rate(ShareInterval? rate, ShareInterval? difference) => rate is null ? null : string.Create(
        CultureInfo.InvariantCulture, $"{rate.Value * 100:0.0} % ({rate.Lower * 100:0.0} to {rate.Upper * 100:0.0}){(difference is null ? "" : string.Create(CultureInfo.InvariantCulture, $"; {difference.Value * 100:+0.0;-0.0;0.0}"))}");

    private void WriteColumns(ModelCardResponse card)
    {
        if (card.Columns is { Count: > 0 } columns)
        {
            Heading("What it goes by");
            var effects = card.Evaluation?.ColumnEffects;
            if (effects is not null)
                _html.Append("<p>The last two columns say by how much the ").Append(Text(effects.Metric)).Append(" (").Append(Text(Value(effects.Untouched)))
                    .Append(") of ").Append(Number(effects.Rows)).Append(" held-out rows rises when the column is dealt anew among them, and when it is missing in all.</p>\n");
            Table(["column", "type", "#importance", "", "#missing", "#shuffled", "#left out"], columns.Take(RowsMax).Select(column => (Cell[])
            [
                column.Name, column.Type, column.Importance is { } share ? Percent(share) : null, new Cell(null, column.Importance),
                column.MissingShare is { } missing ? Percent(missing) : null, column.Effect is { } shuffled ? Value(shuffled.Shuffled) : null, column.Effect is { } left ? Value(left.LeftOut) : null,
            ]), columns.Count);
        }
        if (card.LeftOut is { Count: > 0 } leftOut)
        {
            Heading("What it does not read");
            Table(["column", "because it"], leftOut.Take(RowsMax).Select(column => (Cell[])[column.Name, column.Reason]), leftOut.Count);
        }
    }

    private void WriteOrigin(ModelCardResponse card)
    {
        var lineage = card.Lineage;
        Heading("Where it comes from");
        Facts(
            ("Task", card.Task), ("Learned", card.Target), ("Algorithm", card.Algorithm),
            ("Dataset", lineage.Dataset is { } dataset ? $"{dataset} version {lineage.DatasetVersion}" : null), ("Dataset digest", lineage.DatasetDigest),
            ("Samples", card.Data is { } data ? $"{Number(data.Samples)}: {string.Join(", ", data.Splits.Select(split => $"{split.Split} {Number(split.Count)}"))}" : null),
            ("Learned from", card.Data is { } learned ? Number(learned.Learned) : null), ("Seed of the split", card.Data?.SplitSeed.ToString(CultureInfo.InvariantCulture)),
            ("Files of the dataset", card.Data?.Sources is { Count: > 0 } files ? string.Join(", ", files.Select(file => file.Name)) : null),
            ("File", lineage.File), ("File digest", lineage.FileDigest), ("Recipe", lineage.Recipe),
            ("Parameters", lineage.Parameters is { } parameters ? string.Join(", ", parameters.Select(pair => $"{pair.Key}={pair.Value}")) : null),
            ("Seed", lineage.Seed?.ToString(CultureInfo.InvariantCulture)), ("Trained by", lineage.By), ("Run", lineage.Run), ("Import", lineage.Import),
            ("Code", $"atoll {lineage.CodeVersion}, {lineage.Machine}"), ("Digest of the model", card.Digest));
    }

    private void Heading(string text) => _html.Append("<h2>").Append(Text(text)).Append("</h2>\n");

    private void Sentences(string heading, IReadOnlyList<string> sentences, string none)
    {
        Heading(heading);
        if (sentences.Count == 0)
        {
            _html.Append("<p>").Append(Text(none)).Append("</p>\n");
            return;
        }
        _html.Append("<ul>\n");
        foreach (var sentence in sentences) _html.Append("<li>").Append(Text(sentence)).Append("</li>\n");
        _html.Append("</ul>\n");
    }

    private void Facts(params ReadOnlySpan<(string Name, string? Value)> facts)
    {
        _html.Append("<table>\n");
        foreach (var (name, value) in facts)
            if (!string.IsNullOrEmpty(value)) _html.Append("<tr><th>").Append(Text(name)).Append("</th><td class=\"note\">").Append(Text(value)).Append("</td></tr>\n");
        _html.Append("</table>\n");
    }

    /// <param name="heads">A number sign before a heading sets its column to the right, as numbers are.</param>
    /// <param name="all">Rows that there are, when not all are shown.</param>
    private void Table(IReadOnlyList<string> heads, IEnumerable<Cell[]> rows, int all = 0)
    {
        _html.Append("<div class=\"scroll\"><table><tr>");
        foreach (var head in heads) _html.Append(head.StartsWith('#') ? "<th class=\"n\">" : "<th>").Append(Text(head.StartsWith('#') ? head[1..] : head)).Append("</th>");
        _html.Append("</tr>\n");
        foreach (var row in rows)
        {
            _html.Append("<tr>");
            for (var i = 0; i < row.Length; i++)
            {
                _html.Append(heads[i].StartsWith('#') ? "<td class=\"n\">" : "<td>");
                if (row[i].Share is { } share) _html.Append(Bar(share));
                else if (row[i].Text is { } text) _html.Append(Text(text));
                _html.Append("</td>");
            }
            _html.Append("</tr>\n");
        }
        _html.Append("</table></div>\n");
        if (all > RowsMax) _html.Append("<p>and ").Append(Number(all - RowsMax)).Append(" more; all are in the card's JSON.</p>\n");
    }

    private static string Bar(double share) =>
        string.Create(CultureInfo.InvariantCulture, $"<span class=\"bar\" style=\"width:{Math.Clamp(share, 0, 1) * BarWidth:0.00}rem\"></span>");

    private static string Text(string text) => HtmlEncoder.Default.Encode(text);

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Value(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    /// <summary>What stands in a cell of a table: text, or a share that is drawn as a bar.</summary>
    private readonly record struct Cell(string? Text, double? Share = null)
    {
        public static implicit operator Cell(string? text) => new(text);
    }
}
