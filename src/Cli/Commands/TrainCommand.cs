using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll train</c>: a dataset becomes the next version of a model.</summary>
internal static class TrainCommand
{
    public static Verb Create()
    {
        var dataset = new Argument<string?>("dataset") { Description = "Name of the dataset to learn from.", Arity = ArgumentArity.ZeroOrOne };
        var version = new Option<int?>("--dataset-version") { Description = "Version of the dataset. Default: the newest.", HelpName = "number" };
        var model = new Option<string?>("--model") { Description = "Model that gets the result as its next version. Default: the dataset's name.", HelpName = "name" };
        var target = new Option<string?>("--target") { Description = "Column to learn, for tables. Default: the dataset's label column.", HelpName = "column" };
        var experiment = new Option<string?>("--experiment") { Description = "Experiment in which the run is grouped.", HelpName = "name" };
        var seed = new Option<int?>("--seed") { Description = "Same seed, same data, same parameters: the same model. Default: 1.", HelpName = "number" };
        var minutes = new Option<double?>("--minutes") { Description = "Longest training time; the best model until then is kept.", HelpName = "number" };
        var priority = new Option<int?>("--priority") { Description = "Higher goes first among your own runs. Default: 0.", HelpName = "number" };
        var parameters = new Option<string[]>("--set") { Description = "A parameter of the trainer; may be repeated.", HelpName = "name=value" };
        var fairness = new Option<string[]>("--fairness-column") { Description = "Column of a table by whose groups the predictions are compared in the report; may be repeated.", HelpName = "column" };
        var positive = new Option<string?>("--positive-label") { Description = "The label by which the groups are compared. Default: the last one.", HelpName = "label" };
        var list = new Option<bool>("--parameters") { Description = "Show the parameters of the trainers and start nothing." };
        var follow = new Option<bool>("--follow", "-f") { Description = "Watch the training until it ends; exit code 1 if it does not succeed." };
        return new Verb(
            "train", "Train a model on a dataset.",
            new("atoll train leads --follow", "Train a model on the dataset 'leads' and watch it"),
            new("atoll train leads --target Converted --model lead-scoring", "Learn another column, into another model"),
            new("atoll train shoes --minutes 5 --set epochs=10", "Stop after five minutes or ten epochs"),
            new("atoll train leads --fairness-column Gender --positive-label yes", "Also compare how often 'yes' is predicted for each gender"),
            new("atoll train --parameters", "What --set takes, for tables, texts, images, entities and sounds"))
        {
            Details = "The trainer fits the data: tables, texts, images, texts with marked entities or sounds. Candidates are compared, the best becomes the next version of the model and is measured on samples that it never saw.",
            Arguments = { dataset },
            Options = { model, target, version, experiment, seed, minutes, priority, parameters, fairness, positive, list, follow },
        }.Does(async (context, cancellationToken) =>
        {
            if (context.Get(list)) return await ShowParametersAsync(context, cancellationToken);
            var run = await context.Client.CreateRunAsync(
                new CreateRunRequest
                {
                    Dataset = context.Get(dataset) ?? throw new UsageException("Say which dataset to learn from: atoll train <dataset>"),
                    DatasetVersion = context.Get(version),
                    Model = context.Get(model),
                    Target = context.Get(target),
                    Experiment = context.Get(experiment),
                    Seed = context.Get(seed) ?? 1,
                    MinutesMax = context.Get(minutes),
                    Priority = context.Get(priority) ?? 0,
                    Parameters = ParametersOf(context.Get(parameters), context.Get(fairness), context.Get(positive)),
                },
                cancellationToken);
            if (context.Get(follow))
            {
                context.Terminal.Error.WriteLine($"Started run {run.Id}. Ctrl-C stops watching, not the run.");
                return await RunView.FollowAsync(context, run.Id, cancellationToken);
            }
            context.Write(run, AtollJson.Default.RunResponse, console =>
            {
                console.WriteLine($"Started run {run.Id}: {run.Dataset} version {run.DatasetVersion} into model {run.Model}.");
                console.Hint($"Watch it:  atoll runs follow {run.Id}");
            });
            return ExitCodes.Done;
        });
    }

    private static async Task<int> ShowParametersAsync(CommandContext context, CancellationToken cancellationToken)
    {
        var trainers = await context.Client.ListTrainersAsync(cancellationToken);
        context.Write(trainers, AtollJson.Default.PageTrainerResponse, console =>
        {
            var text = new System.Text.StringBuilder("Give them with --set name=value; every one may be left out.").AppendLine();
            foreach (var trainer in trainers.Items)
            {
                HelpPage.Section(
                    text, $"Trainings on {trainer.SampleType} samples",
                    [.. trainer.Parameters.Select(parameter => (parameter.Name, $"{char.ToUpperInvariant(parameter.Meaning[0])}{parameter.Meaning[1..]}: {parameter.Expected}. Default: {parameter.Default}."))],
                    context.Terminal.ReadingWidth);
            }
            context.Terminal.Out.Write(text);
        });
        return ExitCodes.Done;
    }

    private static Dictionary<string, string>? ParametersOf(string[]? set, string[]? fairness, string? positive)
    {
        var parameters = Pairs("--set", set);
        if (fairness is { Length: > 0 }) Add("fairness", string.Join(',', fairness), "--fairness-column");
        if (positive is not null) Add("positive", positive, "--positive-label");
        return parameters;

        void Add(string name, string value, string option)
        {
            if (!(parameters ??= new Dictionary<string, string>(StringComparer.Ordinal)).TryAdd(name, value))
                throw new UsageException($"{option} and --set {name} say the same. Give one of them.");
        }
    }

    /// <summary><c>name=value</c>, each name once.</summary>
    public static Dictionary<string, string>? Pairs(string option, string[]? texts)
    {
        if (texts is null or []) return null;
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            if (text.IndexOf('=') is not (> 0 and var at)) throw new UsageException($"'{text}' is not of the form name=value. Write: {option} name=value");
            if (!pairs.TryAdd(text[..at], text[(at + 1)..])) throw new UsageException($"{option} gives '{text[..at]}' twice.");
        }
        return pairs;
    }
}
