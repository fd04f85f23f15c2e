using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Atoll.Cli;

/// <summary>A table without lines: columns for wide screens, a block for each row where they do not fit.</summary>
internal sealed class Grid
{
    private const int Gap = 2;
    private const int NarrowestFlexible = 10;

    private readonly List<Column> _columns = [];
    private readonly List<Cell[]> _rows = [];

    /// <summary>A column's heading and behaviour.</summary>
    /// <param name="Heading">Lower case.</param>
    /// <param name="Right">Numbers stand on the right.</param>
    /// <param name="Flexible">May be shortened when space is short.</param>
    /// <param name="Optional">Left out when shortening does not help.</param>
    private sealed record Column(string Heading, bool Right, bool Flexible, bool Optional = false);

    /// <summary>A value with its style.</summary>
    public readonly record struct Cell(string Text, string? Style = null)
    {
        public static implicit operator Cell(string? text) => new(text ?? "");
    }

    public Grid Text(string heading) => Add(new Column(heading, false, false));

    public Grid Flexible(string heading) => Add(new Column(heading, false, true));

    /// <summary>A column that narrow screens do without.</summary>
    public Grid Optional(string heading) => Add(new Column(heading, false, true, true));

    public Grid Number(string heading) => Add(new Column(heading, true, false));

    public Grid Row(params Cell[] cells)
    {
        _rows.Add([.. cells.Select(cell => cell with { Text = OneLine(cell.Text) })]);
        return this;
    }

    public int Count => _rows.Count;

    public void Write(IAnsiConsole console, string indent = "")
    {
        var widths = _columns.Select((column, i) => Math.Max(Width(column.Heading), _rows.Select(row => Width(row[i].Text)).DefaultIfEmpty().Max())).ToArray();
        // Without a screen nothing is cut: the reader may be a program.
        var room = (console.Profile.Out.IsTerminal ? console.Profile.Width : int.MaxValue) - indent.Length;
        for (var over = Total() - room; over > 0; over = Total() - room)
        {
            var widest = Enumerable.Range(0, widths.Length).Where(i => _columns[i].Flexible && widths[i] > NarrowestFlexible).OrderByDescending(i => widths[i]).ToList();
            if (widest.Count == 0)
            {
                if (_columns.FindLastIndex(column => column.Optional) is >= 0 and var least)
                {
                    Without(least).Write(console, indent);
                    return;
                }
                WriteBlocks(console, indent);
                return;
            }
            var next = widest.Count > 1 ? widths[widest[1]] : NarrowestFlexible;
            widths[widest[0]] -= Math.Clamp(widths[widest[0]] - next, 1, over);
            widths[widest[0]] = Math.Max(widths[widest[0]], NarrowestFlexible);
        }
        console.MarkupLine(indent + Line([.. _columns.Select(column => new Cell(column.Heading, "dim"))]));
        foreach (var row in _rows) console.MarkupLine(indent + Line(row));

        int Total() => widths.Sum() + Gap * (widths.Length - 1);

        string Line(Cell[] cells)
        {
            var line = new StringBuilder();
            var pending = 0;
            for (var i = 0; i < cells.Length; i++)
            {
                var text = Shorten(cells[i].Text, widths[i]);
                var space = widths[i] - Width(text);
                if (_columns[i].Right) pending += space;
                if (text.Length > 0)
                {
                    line.Append(' ', pending).Append(Styled(text, cells[i].Style));
                    pending = 0;
                }
                pending += (_columns[i].Right ? 0 : space) + Gap;
            }
            return line.ToString();
        }
    }

    private Grid Without(int column)
    {
        var grid = new Grid();
        grid._columns.AddRange(_columns.Where((_, i) => i != column));
        grid._rows.AddRange(_rows.Select(row => row.Where((_, i) => i != column).ToArray()));
        return grid;
    }

    private void WriteBlocks(IAnsiConsole console, string indent)
    {
        var left = _columns.Max(column => Width(column.Heading));
        var first = true;
        foreach (var row in _rows)
        {
            if (!first) console.WriteLine();
            first = false;
            for (var i = 0; i < row.Length; i++)
            {
                if (row[i].Text.Length == 0) continue;
                var heading = _columns[i].Heading + new string(' ', left - Width(_columns[i].Heading));
                console.MarkupLine($"{indent}[dim]{heading.EscapeMarkup()}[/]  {Styled(row[i].Text, row[i].Style)}");
            }
        }
    }

    private Grid Add(Column column)
    {
        _columns.Add(column);
        return this;
    }

    private static string Styled(string text, string? style) => style is null ? text.EscapeMarkup() : $"[{style}]{text.EscapeMarkup()}[/]";

    public static int Width(string text) => Segment.CellCount([new Segment(text)]);

    public static string Shorten(string text, int width)
    {
        if (Width(text) <= width) return text;
        while (text.Length > 0 && Width(text) > width - 1) text = text[..^(char.IsLowSurrogate(text[^1]) && text.Length > 1 ? 2 : 1)];
        return text + "…";
    }

    private static string OneLine(string text)
    {
        if (!text.Any(char.IsControl)) return text;
        return string.Concat(text.Select(c => c is '\n' or '\r' or '\t' ? ' ' : char.IsControl(c) ? '?' : c));
    }
}
