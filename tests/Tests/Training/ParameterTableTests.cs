using System.Globalization;
using System.Text;
using Atoll.Training;
using Atoll.Training.Text;

namespace Atoll.Tests.Training;

public sealed class ParameterTableTests
{
    [Fact]
    public void The_page_of_parameters_is_made_from_the_trainers_own_tables()
    {
        var page = new StringBuilder("""
            # Parameters of a training

            Given with a run: `atoll train leads --set folds=3`, or as `parameters` of `POST /api/v1/runs`. Every one may be left out; `auto` is
            the same as leaving it out. `atoll train --parameters` prints these tables. What the trainers do with them is told in
            [tabular-training.md](tabular-training.md), [image-training.md](image-training.md), [entity-training.md](entity-training.md) and
            [audio-training.md](audio-training.md).

            This page is made from the tables that the trainers read, by a test; change those.

            """);
        foreach (var table in ParameterTable.All)
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {table.SampleType}\n\n| Name | Values | Default | Meaning |\n|---|---|---|---|\n");
            foreach (var parameter in table.Parameters)
                page.Append(CultureInfo.InvariantCulture, $"| `{parameter.Name}` | {parameter.Expected} | {parameter.Default} | {parameter.Meaning} |\n");
        }
        Golden.Check("docs/reference/training-parameters.md", page.ToString());
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("")]
    [InlineData(" auto ")]
    public void Auto_is_as_if_it_were_left_out(string text)
    {
        foreach (var table in ParameterTable.All)
        {
            var given = table.Parameters.ToDictionary(parameter => parameter.Name, _ => text);
            Assert.Null(table.Check(given, []));
        }
    }

    [Fact]
    public void Softmax_is_refused_where_a_text_may_have_several_labels()
    {
        var given = new Dictionary<string, string> { ["loss"] = "softmax" };
        Assert.Null(TextOptions.Table.Check(given));
        Assert.NotNull(TextOptions.MultiLabelTable.Check(given));
    }
}
