using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Atoll.Client;
using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll predict</c>: asks an endpoint about rows, texts, images or sounds.</summary>
internal static partial class PredictCommand
{
    private const int FactorsShown = 5;

    public static Verb Create()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint; it is the model's." };
        var row = new Option<string[]>("--row")
        {
            Description = "Values of one row as column=value; columns left out are missing.", HelpName = "column=value", AllowMultipleArgumentsPerToken = true,
        };
        var rowJson = new Option<string[]>("--row-json") { Description = "A row as a JSON object; may be repeated.", HelpName = "object" };
        var csv = new Option<string?>("--csv") { Description = "A csv file with a header; - is standard input.", HelpName = "file" };
        var text = new Option<string[]>("--text") { Description = "A text, in quotes; several may follow each other. - reads standard input, a text on each line.", HelpName = "text", AllowMultipleArgumentsPerToken = true };
        var image = new Option<string[]>("--file", "--image") { Description = "An image or a sound (wav); may be repeated.", HelpName = "file", AllowMultipleArgumentsPerToken = true };
        var top = new Option<int?>("--top") { Description = "How many labels to show for each sample. Default: 3.", HelpName = "number" };
        var version = new Option<int?>("--version") { Description = "Ask this version instead of the one that serves.", HelpName = "number" };
        var alias = new Option<string?>("--alias") { Description = "Ask the version that has this alias.", HelpName = "name" };
        var why = new Option<bool>("--why") { Description = "Say which columns of a row moved its prediction most, away from that for a typical row." };
        var ignore = new Option<bool>("--ignore-unknown") { Description = "Skip columns that the model does not read, such as ids and the truth." };
        return new Verb(
            "predict", "Ask an endpoint for predictions.",
            new("atoll predict telco-churn --row tenure=2 Contract=Month-to-month MonthlyCharges=70.7", "One row, column by column"),
            new("atoll predict telco-churn --row tenure=2 Contract=Month-to-month --why", "And why"),
            new("atoll predict telco-churn --csv new-customers.csv --ignore-unknown --output json", "All rows of a file, for a script"),
            new("atoll predict banking77 --text \"My card has not arrived\"", "A text"),
            new("atoll predict fashion-mnist --file shoe.png shirt.png", "Two images"))
        {
            Arguments = { name },
            Options = { row, rowJson, csv, text, image, top, version, alias, why, ignore },
        }.Does(async (context, cancellationToken) =>
        {
            var (rows, objects, file, texts, images) = (context.Get(row) ?? [], context.Get(rowJson) ?? [], context.Get(csv), context.Get(text) ?? [], context.Get(image) ?? []);
            var kinds = (rows.Length + objects.Length > 0 ? 1 : 0) + (file is null ? 0 : 1) + (texts.Length > 0 ? 1 : 0) + (images.Length > 0 ? 1 : 0);
            if (kinds == 0) throw new UsageException("There is nothing to predict: give --row, --row-json, --csv, --text or --file.");
            if (kinds > 1) throw new UsageException("Give samples of one kind: rows, a csv file, texts or files.");
            var options = new PredictOptions(context.Get(version), context.Get(alias), context.Get(top) ?? (context.IsJson ? null : 3), context.Get(ignore), context.Get(why) ? FactorsShown : null);
            var endpoint = context.Get(name);

            PredictResponse answer;
            List<string> samples;
            try
            {
                (answer, samples) = await AskAsync();
            }
            catch (AtollException refused) when (!context.IsJson && refused.Field is "rows" or "texts" or "images" or "sounds" && refused.Code == ProblemCodes.InvalidField)
            {
                // The remedy of the API is a body of JSON.
                throw new RefusedException(refused.Detail, "Use: " + ExampleFor(await context.Client.GetEndpointAsync(endpoint, cancellationToken)));
            }
            catch (AtollException refused) when (!context.IsJson && refused.Field is { } field && PlaceOf(field) is { } place)
            {
                throw new RefusedException(
                    refused.Detail.Replace($"The field '{field}'", place, StringComparison.Ordinal), refused.Remedy is { } remedy ? ApiWords.Translate(remedy, context.Command) : null);
            }
            context.Write(answer, AtollJson.Default.PredictResponse, console => Show(console, answer, samples, PlaceOf));
            return ExitCodes.Done;

            // What was typed, for what is called rows[0] where it was sent.
            string? PlaceOf(string field)
            {
                if (CsvPlace().Match(field) is { Success: true } line)
                    return $"Line {line.Groups["line"].Value}{(line.Groups["column"] is { Success: true, Value: var inLine } ? $", column \"{inLine}\"," : "")}";
                if (SamplePlace().Match(field) is not { Success: true } sample || !int.TryParse(sample.Groups["index"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var index)) return null;
                var name = sample.Groups["list"].Value switch
                {
                    "files" when index < images.Length => $"The file '{images[index]}'",
                    "texts" => texts is ["-"] || texts.Length > 1 ? $"Text {index + 1}" : "--text",
                    "rows" when file is not null => $"Row {index + 1}",
                    "rows" when index < objects.Length => objects.Length > 1 ? $"--row-json {index + 1}" : "--row-json",
                    "rows" => "--row",
                    _ => null,
                };
                return name is not null && sample.Groups["column"] is { Success: true, Value: var column } ? $"'{column}' in {name}" : name;
            }

            async Task<(PredictResponse Answer, List<string> Samples)> AskAsync()
            {
                PredictResponse answer;
                List<string> samples;
                if (file is not null)
                {
                    var bytes = file == "-" ? await ReadAllAsync(context.Terminal.In, cancellationToken) : await ReadFileAsync(file, cancellationToken);
                    answer = await context.Client.PredictCsvAsync(endpoint, bytes, options, cancellationToken);
                    samples = [.. Enumerable.Range(1, answer.Predictions.Count).Select(i => $"row {i}")];
                }
                else if (images.Length > 0)
                {
                    var files = new List<SampleFile>();
                    foreach (var path in images) files.Add(new SampleFile(Path.GetFileName(path), await ReadFileAsync(path, cancellationToken)));
                    answer = await context.Client.PredictFilesAsync(endpoint, files, options, cancellationToken);
                    samples = [.. files.Select(found => found.Name)];
                }
                else if (texts.Length > 0)
                {
                    samples = texts is ["-"] ? [.. await ReadLinesAsync(context.Terminal.In, cancellationToken)] : [.. texts];
                    answer = await context.Client.PredictTextsAsync(endpoint, samples, options, cancellationToken);
                }
                else
                {
                    List<JsonObject> all = [.. objects.Select(ParseObject)];
                    if (rows.Length > 0) all.Add(ParseRow(rows));
                    answer = await context.Client.PredictAsync(endpoint, new PredictRequest { Rows = all }, options, cancellationToken);
                    samples = [.. all.Select(found => string.Join(" ", found.Select(pair => $"{pair.Key}={pair.Value}")))];
                }
                return (answer, samples);
            }
        });
    }

    /// <summary>A command that works for this endpoint.</summary>
    public static string ExampleFor(EndpointResponse endpoint) => endpoint.Signature?.SampleType switch
    {
        DatasetTypes.Text => $"atoll predict {endpoint.Name} --text \"...\"",
        DatasetTypes.Image => $"atoll predict {endpoint.Name} --file photo.jpg",
        DatasetTypes.Audio => $"atoll predict {endpoint.Name} --file sound.wav",
        SampleTypes.Tensors => $"POST /v2/models/{endpoint.Name}/infer",
        _ => $"atoll predict {endpoint.Name} --row " + string.Join(" ", (endpoint.Signature?.Inputs ?? []).Where(input => input.Example is not null).Take(3).Select(input => Quoted($"{input.Name}={input.Example}"))),
    };

    [GeneratedRegex(@"^line (?<line>\d+)(?:, column (?<column>.*))?$", RegexOptions.Singleline)]
    private static partial Regex CsvPlace();

    [GeneratedRegex(@"^(?<list>\w+)\[(?<index>\d+)\](?:\.(?<column>.*))?$", RegexOptions.Singleline)]
    private static partial Regex SamplePlace();

    private static void Show(IAnsiConsole console, PredictResponse answer, List<string> samples, Func<string, string?> placeOf)
    {
        if (answer.Predictions.Any(prediction => prediction.Entities is not null))
        {
            ShowEntities(console, answer, samples, placeOf);
            return;
        }
        var regression = answer.Predictions.Any(prediction => prediction.Value is not null);
        var grid = new Grid().Flexible("sample");
        if (regression) grid.Number("value").Number("from").Number("to");
        else grid.Flexible("prediction").Number("probability").Flexible("then");
        for (var i = 0; i < answer.Predictions.Count; i++)
        {
            var prediction = answer.Predictions[i];
            var sample = i < samples.Count ? samples[i] : $"{i + 1}";
            if (regression)
            {
                grid.Row(sample, Number(prediction.Value), Number(prediction.Lower), Number(prediction.Upper));
                continue;
            }
            var labels = prediction.Labels ?? [];
            var selected = labels.Where(label => label.Selected == true).ToList();
            if (labels.Any(label => label.Selected is not null))
            {
                // Several labels may hold at once: all above their thresholds, then the nearest miss.
                grid.Row(
                    sample, selected.Count == 0 ? new Grid.Cell("none", "dim") : string.Join(", ", selected.Select(label => label.Label)),
                    string.Join(", ", selected.Select(label => Words.Percent(label.Probability))), Others(labels.Where(label => label.Selected == false)));
                continue;
            }
            grid.Row(sample, prediction.Label, labels.Count > 0 ? Words.Percent(labels[0].Probability) : "", Others(labels.Skip(1)));
        }
        grid.Write(console);
        for (var i = 0; i < answer.Predictions.Count; i++)
            if (answer.Predictions[i].Factors is { } factors) Why(console, i < samples.Count ? samples[i] : $"{i + 1}", factors);
        ShowWarnings(console, answer, placeOf);

        static string Number(double? value) => value is { } known ? Words.Value(known) : "";
        static string Others(IEnumerable<LabelProbability> labels) =>
            string.Join(", ", labels.Where(label => label.Probability >= 0.0005).Select(label => $"{label.Label} {Words.Percent(label.Probability)}"));
    }

    /// <summary>Each text with what was found in it, a line for each entity.</summary>
    private static void ShowEntities(IAnsiConsole console, PredictResponse answer, List<string> samples, Func<string, string?> placeOf)
    {
        var grid = new Grid().Flexible("sample").Flexible("entity").Text("label").Number("probability").Text("place");
        for (var i = 0; i < answer.Predictions.Count; i++)
        {
            var sample = i < samples.Count ? samples[i] : $"{i + 1}";
            var entities = answer.Predictions[i].Entities ?? [];
            if (entities.Count == 0) grid.Row(sample, new Grid.Cell("none", "dim"), "", "", "");
            for (var j = 0; j < entities.Count; j++)
                grid.Row(j == 0 ? sample : "", entities[j].Text, entities[j].Label, Words.Percent(entities[j].Probability), $"{entities[j].Start}-{entities[j].End}");
        }
        grid.Write(console);
        ShowWarnings(console, answer, placeOf);
    }

    private static void ShowWarnings(IAnsiConsole console, PredictResponse answer, Func<string, string?> placeOf)
    {
        if (answer.Warnings is not { Count: > 0 } warnings) return;
        console.WriteLine();
        foreach (var warning in warnings)
        {
            // A message begins with the first place, where it is about that alone.
            var (message, field) = (warning.Message, warning.Field);
            if (message.StartsWith(field, StringComparison.Ordinal) && placeOf(field) is { } place) message = place + message[field.Length..];
            console.MarkupLine($"[yellow]![/] {message.EscapeMarkup()}");
        }
    }

    private static void Why(IAnsiConsole console, string sample, PredictionFactors factors)
    {
        string Score(double value) => factors.Label is null ? Words.Value(value) : Words.Percent(value);
        string Moved(double value) => factors.Label is null
            ? value.ToString("+0.#####;-0.#####;0", CultureInfo.InvariantCulture) : (value * 100).ToString("+0.0;-0.0;0.0", CultureInfo.InvariantCulture);
        console.WriteLine();
        console.WriteLine($"Why {(factors.Label is { } label ? $"{label} {Score(factors.Predicted)}" : Score(factors.Predicted))}, where a typical row has {Score(factors.Typical)}: {sample}");
        var grid = new Grid().Flexible("column").Flexible("value").Flexible("typical").Number(factors.Label is null ? "moves by" : "moves by points");
        foreach (var factor in factors.Columns) grid.Row(factor.Name, factor.Value ?? "(missing)", factor.TypicalValue ?? "(missing)", Moved(factor.Contribution));
        grid.Row("all others, and what columns do together", "", "", Moved(factors.Others));
        grid.Write(console, "  ");
    }

    internal static JsonObject ParseRow(string[] values)
    {
        var row = new JsonObject();
        foreach (var (column, value) in TrainCommand.Pairs("--row", values)!)
        {
            // The server reads numbers from texts as the column needs it; an empty value is a missing one.
            row[column] = value.Length == 0 ? null : value;
        }
        return row;
    }

    private static JsonObject ParseObject(string text)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new UsageException($"--row-json must be an object, such as {{\"age\": 39}}, not {text}");
        }
        catch (JsonException problem)
        {
            throw new UsageException($"--row-json is not valid JSON{(problem.BytePositionInLine is { } at ? $", at character {at + 1}" : "")}: {text}");
        }
    }

    private static async Task<byte[]> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path)) throw new UsageException($"There is no file '{path}'.");
        return await File.ReadAllBytesAsync(path, cancellationToken);
    }

    private static async Task<byte[]> ReadAllAsync(TextReader input, CancellationToken cancellationToken) =>
        System.Text.Encoding.UTF8.GetBytes(await input.ReadToEndAsync(cancellationToken));

    private static async Task<List<string>> ReadLinesAsync(TextReader input, CancellationToken cancellationToken)
    {
        var lines = new List<string>();
        while (await input.ReadLineAsync(cancellationToken) is { } line)
            if (line.Length > 0) lines.Add(line);
        return lines;
    }

    internal static string Quoted(string text) => text.All(c => char.IsAsciiLetterOrDigit(c) || c is '=' or '-' or '.' or '_') ? text : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
