using Atoll.Cli;
using Spectre.Console;
using Grid = Atoll.Cli.Grid;

namespace Atoll.Tests.Cli;

public sealed class GridTests
{
    [Fact]
    public void Columns_are_as_wide_as_their_widest_cell_and_numbers_stand_on_the_right()
    {
        Assert.Equal(
            "model        latest  aliases\nleads            12  production=11\ntelco-churn       1\n",
            Render(null, new Grid().Flexible("model").Number("latest").Flexible("aliases").Row("leads", "12", "production=11").Row("telco-churn", "1", "")));
    }

    [Fact]
    public void Flexible_columns_are_shortened_where_the_screen_is_narrow()
    {
        var text = Render(40, new Grid().Text("run").Flexible("model").Row("run_0123456789", "a-model-with-a-very-long-name-indeed"));
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 40, line));
        Assert.Contains("run_0123456789  a-model-with", text);
        Assert.Contains("…", text);
    }

    [Fact]
    public void Rows_become_blocks_where_not_even_shortening_helps()
    {
        var text = Render(40, new Grid().Text("run").Text("digest").Row("run_0123456789", new string('a', 64)));
        Assert.Equal($"run     run_0123456789\ndigest  {new string('a', 64)}", Unwrapped(text));
    }

    [Fact]
    public void Optional_columns_are_left_out_where_shortening_is_not_enough()
    {
        var grid = new Grid().Text("run").Text("state").Flexible("model").Optional("dataset").Flexible("score").Text("created")
            .Row("run_06h069h3t8ahjthcqzm0y9fp94", "succeeded", "telco-churn v12", "telco-churn v3", "0.812 accuracy", "59 min ago");
        var text = Render(80, grid);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
        Assert.Equal(["run", "state", "model", "score", "created"], text.Split('\n')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("0.812", text);
        Assert.Contains("dataset", Render(120, grid));
    }

    [Fact]
    public void Nothing_is_shortened_for_a_file()
    {
        var name = new string('x', 300);
        Assert.Contains(name, Render(null, new Grid().Flexible("model").Row(name)));
    }

    [Theory]
    [InlineData("a\nb\tc", "a b c")]
    [InlineData("\u001b[31mred", "?[31mred")]
    [InlineData("[bold]markup[/]", "[bold]markup[/]")]
    public void Cells_cannot_break_the_table_or_the_terminal(string cell, string shown) =>
        Assert.Contains(shown, Render(null, new Grid().Flexible("text").Row(cell)));

    private static string Render(int? columns, Grid grid)
    {
        using var writer = new StringWriter();
        var terminal = new Terminal(writer, TextWriter.Null, TextReader.Null, name => name == "NO_COLOR" ? "1" : null, "") { OutIsTerminal = columns is not null, Columns = () => columns ?? 80 };
        grid.Write(terminal.OutConsole);
        return StripAnsi(writer.ToString().ReplaceLineEndings("\n"));
    }

    private static string Unwrapped(string text) => string.Join('\n', text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        .Replace("\n" + new string('a', 24), new string('a', 24), StringComparison.Ordinal).Replace("\naaa", "aaa", StringComparison.Ordinal);

    // NO_COLOR leaves weight (dim, bold), which is not colour.
    private static string StripAnsi(string text) => System.Text.RegularExpressions.Regex.Replace(text, "\u001b\\[[0-9;]*m", "");
}
