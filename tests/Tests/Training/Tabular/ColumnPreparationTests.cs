using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Training;
using Atoll.Training.Tabular;
using Xunit;

namespace Atoll.Tests.Training.Tabular;

/// <summary>What is made of raw columns, what is left out, and whether the reason is told.</summary>
public sealed class ColumnPreparationTests
{
    private const int Rows = 200;

    [Fact]
    public void Columns_that_say_nothing_are_dropped_with_their_reason()
    {
        var random = new SplitMix64(1);
        var useful = Numbers("useful", _ => (float)random.NextDouble());
        var report = Report(
            useful,
            Numbers("empty", _ => float.NaN),
            Numbers("constant", _ => 7),
            Texts("same", ColumnTypes.Category, _ => "x"),
            Texts("nothing", ColumnTypes.Text, _ => null),
            Texts("customer", ColumnTypes.Id, row => $"id{row}"),
            Numbers("row", row => 1000 + row, ColumnTypes.Integer),
            useful with { Name = "copy" },
            Texts("token", ColumnTypes.Category, row => $"{row * 7919 % 1000:x8}-{row}"));

        Assert.Null(DroppedWhy(report, "useful"));
        Assert.Contains("no value", DroppedWhy(report, "empty"));
        Assert.Contains("same value", DroppedWhy(report, "constant"));
        Assert.Contains("same value", DroppedWhy(report, "same"));
        Assert.Contains("no value", DroppedWhy(report, "nothing"));
        Assert.Contains("identifier", DroppedWhy(report, "customer"));
        Assert.Contains("numbers the rows", DroppedWhy(report, "row"));
        Assert.Equal("repeats 'useful'", DroppedWhy(report, "copy"));
    }

    [Fact]
    public void A_category_that_gives_the_label_away_is_dropped()
    {
        var report = Report(Texts("outcome", ColumnTypes.Category, row => Label(row) == 1 ? "closed" : "open"), Noise());

        Assert.Contains("gives 'target' away", DroppedWhy(report, "outcome"));
    }

    [Fact]
    public void A_number_that_gives_the_label_away_in_a_bent_way_is_dropped()
    {
        // The label is known from the distance to the middle; the correlation is nothing.
        var random = new SplitMix64(2);
        var report = Report(Numbers("score", row => (float)(Label(row) == 1 ? (random.NextDouble() * 0.2) - 0.1 : random.NextDouble() < 0.5 ? -2 : 2)), Noise());

        Assert.Contains("gives 'target' away", DroppedWhy(report, "score"));
    }

    [Fact]
    public void Being_missing_can_give_the_label_away()
    {
        var random = new SplitMix64(3);
        var report = Report(Numbers("closed at", row => Label(row) == 1 ? (float)random.NextDouble() : float.NaN), Noise());

        Assert.Contains("by being missing", DroppedWhy(report, "closed at"));
    }

    [Fact]
    public void Two_numbers_that_add_up_to_the_target_are_both_dropped()
    {
        var random = new SplitMix64(4);
        var first = Numbers("casual", _ => random.Next(50));
        var second = Numbers("registered", _ => random.Next(50));
        var target = Numbers("target", row => first.Numbers![row] + second.Numbers![row]);
        var report = Report([first, second, Noise(), target]);

        Assert.Contains("adds up to 'target' together with 'registered'", DroppedWhy(report, "casual"));
        Assert.Contains("adds up to 'target' together with 'casual'", DroppedWhy(report, "registered"));
        Assert.Null(DroppedWhy(report, "noise"));
    }

    [Fact]
    public void A_strong_column_is_kept_and_pointed_out()
    {
        var random = new SplitMix64(5);
        var report = Report(Texts("answer", ColumnTypes.Category, row => Label(row) == 1 == random.NextDouble() < 0.9 ? "yes" : "no"), Noise());

        Assert.Null(DroppedWhy(report, "answer"));
        var warning = Assert.Single(report["warnings"]!.AsArray());
        Assert.Contains("'answer' alone", warning!.GetValue<string>());
    }

    [Fact]
    public void What_a_person_keeps_is_kept_and_what_a_person_ignores_is_left_out()
    {
        var report = Report(
            [Texts("outcome", ColumnTypes.Category, row => Label(row) == 1 ? "closed" : "open"), Numbers("row", row => row, ColumnTypes.Integer), Noise(), Target()],
            new TabularParameters { Keep = ["outcome", "row"], Ignore = ["noise"] });

        Assert.Null(DroppedWhy(report, "outcome"));
        Assert.Null(DroppedWhy(report, "row"));
        Assert.Equal("left out on request", DroppedWhy(report, "noise"));
    }

    [Fact]
    public void The_threshold_of_leaks_can_be_set()
    {
        var random = new SplitMix64(5);
        var answer = Texts("answer", ColumnTypes.Category, row => Label(row) == 1 == random.NextDouble() < 0.9 ? "yes" : "no");
        var report = Report([answer, Noise(), Target()], new TabularParameters { Leakage = 0.7 });

        Assert.Contains("gives 'target' away", DroppedWhy(report, "answer"));
    }

    [Fact]
    public void Every_column_tells_what_was_derived_from_it()
    {
        var table = new GeneratedTable(2).Make(TaskKinds.Classification, Rows);
        var report = Report([.. table.Columns]);

        string[] Derived(string name) => [.. Entry(report, name)["derived"]!.AsArray().Select(node => node!.GetValue<string>())];
        Assert.Equal(["age"], Derived("age"));
        Assert.Contains("last seen.hour", Derived("last seen"));
        Assert.Contains("signup.month sine", Derived("signup"));
        Assert.DoesNotContain("signup.hour", Derived("signup"));
        Assert.Equal(["email.domain (3 values)"], Derived("email"));
        Assert.Equal(["phone.valid"], Derived("phone"));
        Assert.Equal(["site.host (4 values)"], Derived("site"));
        Assert.Contains("cabin.letters (4 values)", Derived("cabin"));
        Assert.StartsWith("comment (", Derived("comment").Single());
        Assert.True(Entry(report, "age")["missing"]!.GetValue<int>() > 0);
    }

    [Fact]
    public void A_date_column_without_dates_is_used_as_a_category_and_said_so()
    {
        var report = Report(Texts("when", ColumnTypes.Date, row => row % 2 == 0 ? "soon" : "later"), Noise());

        Assert.Null(DroppedWhy(report, "when"));
        Assert.Contains("'when' is called a date", report["warnings"]!.AsArray().Single()!.GetValue<string>());
    }

    private static float Label(int row) => row * 2654435761L % 97 < 45 ? 1 : 0;

    private static ColumnValues Target() => Texts("target", ColumnTypes.Category, row => Label(row) == 1 ? "yes" : "no");

    private static ColumnValues Noise()
    {
        var random = new SplitMix64(99);
        return Numbers("noise", _ => (float)random.NextDouble());
    }

    private static ColumnValues Numbers(string name, Func<int, float> value, string type = ColumnTypes.Number) =>
        new() { Name = name, Type = type, Numbers = [.. Enumerable.Range(0, Rows).Select(value)] };

    private static ColumnValues Texts(string name, string type, Func<int, string?> value) =>
        new() { Name = name, Type = type, Texts = [.. Enumerable.Range(0, Rows).Select(value)] };

    private static JsonObject Report(params ColumnValues[] columns) =>
        Report(columns.Any(column => column.Name == "target") ? columns : [.. columns, Target()], new TabularParameters());

    private static JsonObject Report(ColumnValues[] columns, TabularParameters parameters)
    {
        var target = columns.Single(column => column.Name == "target");
        var values = TargetValues.Read(target, Rows, null);
        return ColumnPreparation.Fit([.. columns.Where(column => column != target)], values, "target", parameters).Report;
    }

    private static JsonNode Entry(JsonObject report, string name) =>
        report["columns"]!.AsArray().Single(entry => entry!["name"]!.GetValue<string>() == name)!;

    private static string? DroppedWhy(JsonObject report, string name) => Entry(report, name)["dropped"]?.GetValue<string>();
}
