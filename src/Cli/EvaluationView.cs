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
