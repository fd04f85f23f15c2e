using System.Globalization;
using System.Text;
using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli;

/// <summary>How an evaluation looks on a terminal: scores, and what was taken for what.</summary>
internal static class EvaluationView
{
    /// <summary>More labels than this do not fit as a matrix; then the worst confusions are listed.</summary>
    private const int MatrixLabelsMax = 12;

    private const int EffectsShown = 15;

    /// <summary>A matrix where it fits, otherwise the most confused pairs.</summary>
    public static void Confusion(IAnsiConsole console, EvaluationReport report, string indent = "", int pairs = 5)
    {
        if (report is not { Labels: { Count: > 1 } labels, ConfusionMatrix: { } matrix }) return;
        if (labels.Count <= MatrixLabelsMax) Matrix(console, labels, matrix, indent);
        else MostConfused(console, labels, matrix, indent, pairs);
    }

    public static void PerLabel(IAnsiConsole console, EvaluationReport report)
    {
        if (report.PerLabel is not { Count: > 0 } labels) return;
        var grid = new Grid().Flexible("label").Number("precision").Number("recall").Number("f1").Number("samples");
        foreach (var label in labels)
            grid.Row(label.Label, Words.Percent(label.Precision), Words.Percent(label.Recall), Words.Percent(label.F1), Words.Count(label.Support));
        grid.Write(console);
    }

    /// <summary>How often the model is right where it says how sure it is.</summary>
    public static void Calibration(IAnsiConsole console, EvaluationReport report)
    {
        if (report.Calibration is not { Count: > 0 } bins) return;
        console.WriteLine();
        var grid = new Grid().Text("says to be sure").Number("on average").Number("is right").Text("95 % confidence").Number("predictions");
        foreach (var bin in bins)
        {
            var fits = bin.Stated >= bin.Lower && bin.Stated <= bin.Upper;
            grid.Row(
                $"{bin.From * 100:0} to {bin.To * 100:0} %", Words.Percent(bin.Stated), new Grid.Cell(Words.Percent(bin.Observed), fits ? "default" : "yellow"),
                $"{Words.Percent(bin.Lower)} to {Words.Percent(bin.Upper)}", Words.Count(bin.Count));
        }
        grid.Write(console);
    }

    /// <summary>What the model loses without each of its columns.</summary>
    public static void ColumnEffects(IAnsiConsole console, EvaluationReport report)
    {
        if (report.ColumnEffects is not { Columns.Count: > 0 } effects) return;
        console.WriteLine();
        console.WriteLine($"By how much the {effects.Metric} of {Words.Plural(effects.Rows, "held-out row")} ({Words.Score(effects.Untouched)}) rises without a column:");
        var grid = new Grid().Flexible("column").Number("dealt anew").Number("left out");
        foreach (var column in effects.Columns.Take(EffectsShown)) grid.Row(column.Name, Words.Score(column.Shuffled), Words.Score(column.LeftOut));
        grid.Write(console);
        var hidden = Math.Max(0, effects.Columns.Count - EffectsShown);
        if (hidden > 0) console.WriteLine($"and {Words.Plural(hidden, "column")} with less effect; all are in --output json.");
        if (effects.NotMeasured > 0) console.WriteLine($"{Words.Plural(effects.NotMeasured, "less important column")} were not measured.");
    }

    /// <summary>How groups are treated.</summary>
    public static void Fairness(IAnsiConsole console, EvaluationReport report)
    {
        if (report.Fairness is not { } fairness) return;
        foreach (var column in fairness.Columns)
        {
            console.WriteLine();
            console.WriteLine($"How often '{fairness.Positive}' is predicted, by '{column.Column}' (in brackets: 95 % confidence):");
            var grid = new Grid().Flexible("group").Number("samples").Text("selected").Text("of those who have it").Text("of those who do not");
            foreach (var group in column.Groups)
                grid.Row(group.Group, Words.Count(group.Count), Rate(group.SelectionRate), Rate(group.TruePositiveRate), Rate(group.FalsePositiveRate));
            grid.Write(console);
            console.WriteLine(column.Finding);
        }
    }

    private static string Rate(ShareInterval? share) =>
        share is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{share.Value * 100:0.0} % ({share.Lower * 100:0.0} to {share.Upper * 100:0.0})");

    private static void Matrix(IAnsiConsole console, IReadOnlyList<string> labels, IReadOnlyList<IReadOnlyList<int>> matrix, string indent)
    {
        var count = labels.Count;
        var cell = Math.Max(4, matrix.SelectMany(row => row).Max().ToString(CultureInfo.InvariantCulture).Length + 2);
        // Short labels head their columns; long ones are numbered and the number stands beside the row's label.
        var named = labels.All(label => Grid.Width(label) <= 8);
        if (named) cell = Math.Max(cell, labels.Max(Grid.Width) + 2);
        var room = (console.Profile.Out.IsTerminal ? console.Profile.Width : 100) - indent.Length - count * cell - 10;
        if (room < 8)
        {
            MostConfused(console, labels, matrix, indent, 5);
            return;
        }
        var width = Math.Min(room, labels.Max(Grid.Width));
        string Head(int i) => named ? labels[i] : Letter(i);

        var line = new StringBuilder().Append(' ', width + (named ? 0 : 3));
        for (var i = 0; i < count; i++) line.Append(Head(i).PadLeft(cell));
        console.MarkupLine($"{indent}[dim]{line.ToString().EscapeMarkup()}[/]   [dim]right[/]");
        for (var i = 0; i < count; i++)
        {
            var total = matrix[i].Sum();
            line.Clear();
            var label = Grid.Shorten(labels[i], width);
            line.Append(label.EscapeMarkup()).Append(' ', width - Grid.Width(label));
            if (!named) line.Append("  [dim]").Append(Letter(i)).Append("[/]");
            for (var j = 0; j < count; j++)
            {
                var number = matrix[i][j];
                var share = total == 0 ? 0 : (double)number / total;
                var style = number == 0 ? "dim" : i == j ? "green" : share >= 0.1 ? "red" : share >= 0.03 ? "yellow" : "default";
                line.Append($"[{style}]").Append((number == 0 ? "·" : number.ToString(CultureInfo.InvariantCulture)).PadLeft(cell)).Append("[/]");
            }
            line.Append($"  {(total == 0 ? "" : Words.Percent((double)matrix[i][i] / total)),7}");
            console.MarkupLine(indent + line);
        }
        console.MarkupLine($"{indent}[dim]rows: actual, columns: predicted[/]");
    }

    private static void MostConfused(IAnsiConsole console, IReadOnlyList<string> labels, IReadOnlyList<IReadOnlyList<int>> matrix, string indent, int pairs)
    {
        var worst = (
            from i in Enumerable.Range(0, labels.Count)
            from j in Enumerable.Range(0, labels.Count)
            where i != j && matrix[i][j] > 0
            orderby matrix[i][j] descending, labels[i], labels[j]
            select (Actual: i, Predicted: j, Count: matrix[i][j])).Take(pairs).ToList();
        if (worst.Count == 0)
        {
            console.MarkupLine($"{indent}[dim]No sample was taken for another label.[/]");
            return;
        }
        var grid = new Grid().Flexible("most confused").Flexible("taken for").Number("times").Number("of");
        foreach (var (actual, predicted, times) in worst)
            grid.Row(labels[actual], labels[predicted], Words.Count(times), Words.Count(matrix[actual].Sum()));
        grid.Write(console, indent);
    }

    private static string Letter(int i) => ((char)('a' + i)).ToString();
}
