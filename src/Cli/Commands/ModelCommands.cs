using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Client;
using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll models</c>: what was trained, how good it is, and which version has which name.</summary>
internal static class ModelCommands
{
    public static Noun Create() =>
        new("models", "See models and their versions, import and download them, name them.", List(), Import(), Show(), Versions(), Report(), Card(), Notes(), Download(), Alias(), Promotions(), Delete());

    private const int DroppedColumnsShown = 20;
    private const int OperatorsShown = 20;

    private static Argument<string> ModelArgument() => new("model") { Description = "Name of the model." };

    private static Argument<string> VersionArgument() => new("version")
    {
        Description = "Number or alias of the version. Default: latest.",
        Arity = ArgumentArity.ZeroOrOne,
        DefaultValueFactory = _ => Aliases.Latest,
    };

    private static Verb List()
    {
        var paging = new Paging();
        return new Verb("list", "List models.", new Example("atoll models list", "All models with their aliases")) { Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListModelsPageAsync(context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageModelResponse, console =>
                {
                    if (page.Items.Count == 0)
                    {
                        console.Hint("No models. Train one with: atoll train <dataset> --follow");
                        return;
                    }
                    var grid = new Grid().Flexible("model").Text("task").Number("latest").Flexible("aliases").Text("created");
                    foreach (var model in page.Items)
                        grid.Row(model.Name, model.Task, $"{model.LatestVersion}", AliasText(model), Words.Ago(model.CreatedUtc, context.Terminal.Clock));
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Show()
    {
        var (model, version) = (ModelArgument(), VersionArgument());
        return new Verb(
            "show", "Show a version of a model: what it takes and gives, its scores, and where it comes from.",
            new("atoll models show leads", "The newest version"),
            new("atoll models show leads production", "The one that serves"))
        {
            Arguments = { model, version },
        }.Does(async (context, cancellationToken) =>
        {
            var found = await context.Client.GetModelVersionAsync(context.Get(model), context.Get(version), cancellationToken);
            context.Write(found, AtollJson.Default.ModelVersionResponse, console =>
            {
                new Facts()
                    .Add("model", $"{found.Model} version {found.Version}").Add("aliases", string.Join(", ", found.Aliases))
                    .Add("task", found.Signature.Task).Add("learned", found.Signature.Target).Add("algorithm", found.Algorithm)
                    .Add("size", Words.Bytes(found.Bytes)).Add("digest", found.Digest)
                    .Add("run", found.Lineage.Run).Add("import", found.Lineage.Import).Add(found.Lineage.File is null ? "dataset" : "file", Origin(found.Lineage, " version "))
                    .Add("recipe", found.Lineage.Recipe).Add("seed", found.Lineage.Seed?.ToString(System.Globalization.CultureInfo.InvariantCulture)).Add("code", $"atoll {found.Lineage.CodeVersion}, {found.Lineage.Machine}")
                    .Add("created", $"{found.CreatedUtc:yyyy-MM-dd HH:mm:ss}Z ({Words.Ago(found.CreatedUtc, context.Terminal.Clock)})")
                    .Write(console);
                console.WriteLine();
                if (found.Metrics.Count > 0)
                {
                    RunView.Scores(console, found.Metrics);
                    console.WriteLine();
                }
                Tensors(console, "takes", found.Signature.Inputs);
                console.WriteLine();
                Tensors(console, "gives", found.Signature.Outputs);
            });
            return ExitCodes.Done;
        });
    }

    private static Verb Versions()
    {
        var model = ModelArgument();
        var paging = new Paging();
        return new Verb("versions", "List the versions of a model, newest first.", new Example("atoll models versions leads", "All versions with their scores"))
        {
            Arguments = { model }, Options = { paging.Limit, paging.After },
        }.Does(async (context, cancellationToken) =>
        {
            var page = await context.Client.ListModelVersionsPageAsync(context.Get(model), context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
            context.Write(page, AtollJson.Default.PageModelVersionResponse, console =>
            {
                var grid = new Grid().Number("version").Text("score").Flexible("algorithm").Flexible("aliases").Flexible("from").Number("size").Text("created");
                foreach (var version in page.Items)
                    grid.Row(
                        $"{version.Version}", version.Metrics.Count > 0 ? Words.MainScore(version.Metrics) : "", version.Algorithm, string.Join(", ", version.Aliases),
                        Origin(version.Lineage, " v"), Words.Bytes(version.Bytes), Words.Ago(version.CreatedUtc, context.Terminal.Clock));
                grid.Write(console);
                Paging.ShowMore(context, page);
            });
            return ExitCodes.Done;
        });
    }

    private static Verb Report()
    {
        var (model, version) = (ModelArgument(), VersionArgument());
        return new Verb(
            "report", "Show how a version was chosen and how well it predicts: scores, confusions, candidates.",
            new("atoll models report leads", "The newest version"),
            new("atoll models report leads 3 --output json", "Everything, for a script"))
        {
            Arguments = { model, version },
        }.Does(async (context, cancellationToken) =>
        {
            var report = await context.Client.GetModelReportAsync(context.Get(model), context.Get(version), cancellationToken);
            context.Write(report, AtollJson.Default.ModelReportResponse, console =>
            {
                if (report.Import is { } import) ShowImport(console, import);
                if (report.Evaluation is { } evaluation) ShowEvaluation(console, evaluation);
                if (report.Candidates.Count > 0)
                {
                    console.WriteLine();
                    var grid = new Grid().Flexible("candidate").Text("judged by").Number("validation");
                    foreach (var candidate in report.Candidates) grid.Row(candidate.Name, candidate.Metric, Words.Score(candidate.Score));
                    grid.Write(console);
                }
                if (report.Preparation is not null)
                {
                    console.WriteLine();
                    Dropped(console, report.Preparation);
                    console.WriteLine("How columns were prepared: add --output json.");
                }
            });
            return ExitCodes.Done;
        });
    }

    private static Verb Card()
    {
        var (model, version) = (ModelArgument(), VersionArgument());
        var to = new Option<string?>("--to") { Description = "Write the card as a page of HTML that needs nothing else and can be printed.", HelpName = "file" };
        return new Verb(
            "card", "Show what is known of a version and what is not: data, scores, limits, what it goes by.",
            new("atoll models card leads", "The newest version"),
            new("atoll models card leads production --to leads.html", "A page to hand on or print"))
        {
            Details = "What a model is meant for is yours to say: atoll models notes <model>.",
            Arguments = { model, version }, Options = { to },
        }.Does(async (context, cancellationToken) =>
        {
            var card = await context.Client.GetModelCardAsync(context.Get(model), context.Get(version), cancellationToken);
            if (context.Get(to) is { } path)
            {
                await using (var file = File.Create(path))
                    await context.Client.DownloadModelCardAsync(card.Model, card.Version.ToString(System.Globalization.CultureInfo.InvariantCulture), file, cancellationToken);
                if (context.IsJson) context.WriteJson(card, AtollJson.Default.ModelCardResponse);
                else context.Say($"Wrote {path}: the card of {card.Model} version {card.Version}.");
                return ExitCodes.Done;
            }
            context.Write(card, AtollJson.Default.ModelCardResponse, console => ModelCardView.Show(console, card));
            return ExitCodes.Done;
        });
    }

    private static Verb Notes()
    {
        var model = ModelArgument();
        Option<string?> Text(string name, string what) => new(name) { Description = $"{what} An empty text takes it back.", HelpName = "text" };
        var (use, notFor, licence, contact) = (
            Text("--intended-use", "What it is meant for."), Text("--not-for", "What it must not be used for."),
            Text("--licence", "Under which terms it and its data may be used."), Text("--contact", "Whom to ask."));
        return new Verb(
            "notes", "Say what a model is meant for; shown on the cards of its versions.",
            new("atoll models notes leads --intended-use \"Which customers to call first\" --not-for \"Decisions about credit\"", "Two notes; the others stay"),
            new("atoll models notes leads", "Show them"))
        {
            Arguments = { model }, Options = { use, notFor, licence, contact },
        }.Does(async (context, cancellationToken) =>
        {
            var name = context.Get(model);
            var notes = (await context.Client.GetModelAsync(name, cancellationToken)).Notes ?? new ModelNotes();
            var said = new ModelNotes
            {
                IntendedUse = context.Get(use) ?? notes.IntendedUse, NotFor = context.Get(notFor) ?? notes.NotFor,
                Licence = context.Get(licence) ?? notes.Licence, Contact = context.Get(contact) ?? notes.Contact,
            };
            if (said != notes) notes = await context.Client.SetModelNotesAsync(name, said, cancellationToken);
            context.Write(notes, AtollJson.Default.ModelNotes, console =>
            {
                if (notes == new ModelNotes()) console.Hint($"Nothing is said about {name}. Say it with: atoll models notes {name} --intended-use \"...\"");
                else ModelCardView.Notes(console, notes);
            });
            return ExitCodes.Done;
        });
    }

    private static void ShowEvaluation(IAnsiConsole console, EvaluationReport evaluation)
    {
        console.WriteLine($"Measured on {Words.Plural(evaluation.SampleCount, "sample")} that the model never saw in training.");
        if (evaluation.LearnedToo is > 0 and var repeated) console.WriteLine($"{Words.Plural(repeated, "of them is", "of them are")} equal to one that it did see.");
        console.WriteLine();
        RunView.Scores(console, evaluation.Metrics);
        if (evaluation.ConfusionMatrix is not null)
        {
            console.WriteLine();
            EvaluationView.Confusion(console, evaluation, pairs: 15);
        }
        if (evaluation.PerLabel is { Count: > 0 })
        {
            console.WriteLine();
            EvaluationView.PerLabel(console, evaluation);
        }
        EvaluationView.Calibration(console, evaluation);
        EvaluationView.ColumnEffects(console, evaluation);
        EvaluationView.Fairness(console, evaluation);
    }

    private static void ShowImport(IAnsiConsole console, ModelImportReport import)
    {
        console.WriteLine("Imported; nobody gave samples to measure it by.");
        console.WriteLine();
        new Facts().Add("format", import.Format).Add("written by", import.Producer).Add("file digest", import.SourceDigest)
            .Add("operator sets", string.Join(", ", import.Opsets.Select(set => $"{set.Key} {set.Value}")))
            .Add("served", import.Serving.GraphDigest is { } graph ? $"shares the session of graph {graph[..12]}" : $"from a session of its own: {import.Serving.Reason}")
            .Add("loads in", $"{Number(import.Cost.LoadMs)} ms").Add("memory", import.Cost.MemoryBytes is { } bytes ? Words.Bytes(bytes) : null)
            .Add("one row", import.Cost.MsPerRowAt1 is { } one ? $"{Number(one)} ms" : null)
            .Add("of 32 rows each", import.Cost.MsPerRowAt32 is { } many ? $"{Number(many)} ms" : null)
            .Write(console);
        foreach (var note in import.Notes ?? []) console.WriteLine($"Note: {note}");
        console.WriteLine();
        var grid = new Grid().Flexible("operator").Number("nodes");
        foreach (var found in import.Operators.Take(OperatorsShown)) grid.Row(found.Name, Words.Count(found.Count));
        grid.Write(console);
        if (import.Operators.Count > OperatorsShown) console.WriteLine($"and {import.Operators.Count - OperatorsShown} more; all are in --output json.");
    }

    private static string Number(double value) => value.ToString("0.####", System.Globalization.CultureInfo.InvariantCulture);

    private static string? Origin(ModelLineage lineage, string between) => lineage.File ?? (lineage.Dataset is null ? null : $"{lineage.Dataset}{between}{lineage.DatasetVersion}");

    private static StepLoop? ReadSteps(string? json)
    {
        if (json is null) return null;
        try
        {
            if (JsonSerializer.Deserialize(json, AtollJson.Default.StepLoop) is { } steps) return steps;
        }
        catch (JsonException)
        {
            // Told below, with an example.
        }
        throw new UsageException("""--steps cannot be read. Give JSON such as {"states":[{"output":"next","input":"token"}],"done":"done"}.""");
    }

    private static Verb Import()
    {
        var model = new Argument<string>("model") { Description = "Name of the model; it is made when it does not exist." };
        var path = new Argument<string>("file") { Description = "An ONNX file, a model of XGBoost (.json, .ubj) or of LightGBM (.txt)." };
        var labels = new Option<string[]>("--label") { Description = "A class that the model knows, when the file does not name them; repeated in the order of the scores.", HelpName = "text" };
        var steps = new Option<string?>("--steps") { Description = "How the model answers many times, as JSON: states, done and stepsMax.", HelpName = "json" };
        var noWait = new Option<bool>("--no-wait") { Description = "Return after the upload; the import goes on at the server." };
        return new Verb(
            "import", "Make the next version of a model of a file from elsewhere.",
            new("atoll models import leads leads.onnx", "A model that another program trained"),
            new("atoll models import leads booster.json --label no --label yes", "Trees of XGBoost, and names for the two classes"))
        {
            Details = "The server reads and tries the file in a process of its own. What it found out: atoll models report <model>.",
            Arguments = { model, path }, Options = { labels, steps, noWait },
        }.Does(async (context, cancellationToken) =>
        {
            var (name, file) = (context.Get(model), context.Get(path));
            if (!File.Exists(file)) throw new UsageException($"There is no file '{file}'.");
            var request = new ModelImportRequest { Labels = context.Get(labels) is { Length: > 0 } given ? given : null, Steps = ReadSteps(context.Get(steps)) };
            var import = await ProgressView.RunAsync(context.Terminal.ErrorConsole, Math.Min(Math.Max(name.Length, 8), 24), async view =>
            {
                var bar = view.Add(name);
                bar.Report(0, "uploading");
                var progress = new DirectProgress(step => bar.Report(step.Total is > 0 and var total ? (double)step.Bytes / total : null, "uploading", Words.Bytes(step.Bytes)));
                var now = await context.Client.ImportModelVersionAsync(name, DatasetFile.FromFile(file), request, progress, cancellationToken);
                if (!context.Get(noWait) && !ImportStates.IsEnded(now.State))
                {
                    await foreach (var next in context.Client.FollowModelImportAsync(now.Id, cancellationToken))
                    {
                        now = next;
                        bar.Report(null, now.Stage ?? now.State);
                    }
                }
                bar.Finish(now.Version is { } version ? $"version {version}" : now.State);
                return now;
            });
            context.Write(import, AtollJson.Default.ModelImportResponse, console =>
            {
                if (import.Version is { } version)
                {
                    console.WriteLine($"{name} version {version} was made of {import.File}.");
                    console.Hint($"What was found out:  atoll models report {name}");
                    console.Hint($"What it takes:       atoll models show {name}");
                }
                else if (!ImportStates.IsEnded(import.State))
                {
                    console.Hint($"Import {import.Id} goes on at the server. When it is done: atoll models show {name}");
                }
                else
                {
                    console.WriteLine($"The import was {import.State}{(import.Error is { } error ? $": {error}" : ".")}");
                }
            });
            return import.Version is not null || !ImportStates.IsEnded(import.State) ? ExitCodes.Done : ExitCodes.Refused;
        });
    }

    /// <summary>Says which columns were not learned from and why; those that give the target away come first, as they surprise most.</summary>
    private static void Dropped(IAnsiConsole console, JsonObject preparation)
    {
        var dropped = (preparation["columns"] as JsonArray ?? []).Where(entry => entry?["dropped"] is not null).OrderBy(entry => entry!["leak"] is null).ToList();
        if (dropped.Count == 0) return;
        console.WriteLine("Columns that were not learned from:");
        foreach (var entry in dropped.Take(DroppedColumnsShown)) console.WriteLine($"  {entry!["name"]}: {entry["dropped"]}.");
        if (dropped.Count > DroppedColumnsShown) console.WriteLine($"  and {dropped.Count - DroppedColumnsShown} more; all are in --output json.");
        console.WriteLine();
    }

    private static Verb Download()
    {
        var (model, version) = (ModelArgument(), VersionArgument());
        var to = new Option<string?>("--to") { Description = "File to write. Default: <model>-<version>.onnx in this folder; - is standard output.", HelpName = "file" };
        return new Verb("download", "Download a version as an ONNX file.", new Example("atoll models download leads production --to leads.onnx", "The version that serves"))
        {
            Arguments = { model, version }, Options = { to },
        }.Does(async (context, cancellationToken) =>
        {
            var name = context.Get(model);
            var found = await context.Client.GetModelVersionAsync(name, context.Get(version), cancellationToken);
            var number = found.Version.ToString(System.Globalization.CultureInfo.InvariantCulture);
            var path = context.Get(to) ?? $"{name}-{number}.onnx";
            if (path == "-")
            {
                await using var standard = Console.OpenStandardOutput();
                await context.Client.DownloadModelAsync(name, number, standard, cancellationToken: cancellationToken);
                return ExitCodes.Done;
            }
            // A broken download leaves nothing behind.
            var temporary = path + ".part";
            try
            {
                await using (var file = File.Create(temporary))
                {
                    await ProgressView.RunAsync(context.Terminal.ErrorConsole, 11, async view =>
                    {
                        var bar = view.Add("Downloading");
                        var progress = new DirectProgress(step => bar.Report((double)step.Bytes / found.Bytes, "", Words.Bytes(step.Bytes)));
                        var bytes = await context.Client.DownloadModelAsync(name, number, file, progress, cancellationToken);
                        bar.Finish(Words.Bytes(bytes));
                        return bytes;
                    });
                }
                File.Move(temporary, path, overwrite: true);
            }
            finally
            {
                File.Delete(temporary);
            }
            if (context.IsJson) context.WriteJson(found, AtollJson.Default.ModelVersionResponse);
            else context.Say($"Wrote {path}: {name} version {number}, {Words.Bytes(found.Bytes)}.");
            return ExitCodes.Done;
        });
    }

    private static Verb Alias()
    {
        var model = ModelArgument();
        var alias = new Argument<string>("alias") { Description = "Name of the alias." };
        var version = new Argument<int?>("version") { Description = "Version that it is to name.", Arity = ArgumentArity.ZeroOrOne };
        var delete = new Option<bool>("--delete") { Description = "Remove the alias; the version stays." };
        return new Verb(
            "alias", "Let an alias name a version, without a gate.",
            new("atoll models alias leads champion 3", "'champion' names version 3"),
            new("atoll models alias leads champion --delete", "Remove the alias"))
        {
            Details = "The alias 'production' is moved by 'atoll promote', which looks at the scores first.",
            Arguments = { model, alias, version }, Options = { delete },
        }.Does(async (context, cancellationToken) =>
        {
            if (context.Get(delete))
            {
                await context.Client.DeleteAliasAsync(context.Get(model), context.Get(alias), cancellationToken);
                context.Say($"Removed alias {context.Get(alias)} of {context.Get(model)}.");
                return ExitCodes.Done;
            }
            var number = context.Get(version) ?? throw new UsageException("Say which version the alias is to name, or --delete.");
            var moved = await context.Client.MoveAliasAsync(context.Get(model), context.Get(alias), number, cancellationToken);
            context.Write(moved, AtollJson.Default.ModelVersionResponse, console => console.WriteLine($"{context.Get(alias)} is now {moved.Model} version {moved.Version}."));
            return ExitCodes.Done;
        });
    }

    private static Verb Promotions()
    {
        var model = ModelArgument();
        var paging = new Paging();
        return new Verb("promotions", "List who promoted what, and which gates held.", new Example("atoll models promotions leads", "Newest first"))
        {
            Arguments = { model }, Options = { paging.Limit, paging.After },
        }.Does(async (context, cancellationToken) =>
        {
            var page = await context.Client.ListPromotionsPageAsync(context.Get(model), context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
            context.Write(page, AtollJson.Default.PagePromotionResponse, console =>
            {
                if (page.Items.Count == 0)
                {
                    console.Hint($"No promotions. Make one with: atoll promote {context.Get(model)}");
                    return;
                }
                var grid = new Grid().Number("version").Text("to").Text("promoted").Flexible("gates").Flexible("by").Text("when");
                foreach (var promotion in page.Items)
                    grid.Row(
                        $"{promotion.Version}", promotion.To, promotion.Promoted ? new Grid.Cell("yes", "green") : new Grid.Cell("no", "red"),
                        string.Join("; ", promotion.Gates.Select(gate => gate.Explanation.TrimEnd('.'))), promotion.By, Words.Ago(promotion.AtUtc, context.Terminal.Clock));
                grid.Write(console);
                Paging.ShowMore(context, page);
            });
            return ExitCodes.Done;
        });
    }

    private static Verb Delete()
    {
        var model = ModelArgument();
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        var version = new Option<int?>("--version") { Description = "Delete only this version. Its number is never used again.", HelpName = "number" };
        return new Verb(
            "delete", "Delete a model with all its versions and its endpoint, or one version.",
            new("atoll models delete leads --yes", "Delete it without being asked"),
            new("atoll models delete leads --version 2", "Delete version 2"))
        {
            Arguments = { model }, Options = { version, yes },
        }.Does(async (context, cancellationToken) =>
        {
            var name = context.Get(model);
            if (context.Get(version) is { } number)
            {
                context.Confirm($"Delete version {number} of model {name}? This cannot be undone.", context.Get(yes));
                await context.Client.DeleteModelVersionAsync(name, number, cancellationToken);
                context.Say($"Deleted version {number} of model {name}.");
                return ExitCodes.Done;
            }
            context.Confirm($"Delete model {name} with all its versions? Its predictions stop.", context.Get(yes));
            await context.Client.DeleteModelAsync(name, cancellationToken);
            context.Say($"Deleted model {name}.");
            return ExitCodes.Done;
        });
    }

    private static string AliasText(ModelResponse model) => string.Join(", ", model.Aliases.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"));

    private static void Tensors(IAnsiConsole console, string heading, IReadOnlyList<TensorSpec> tensors)
    {
        var grid = new Grid().Flexible(heading).Text("datatype").Text("shape").Text("meaning").Flexible("example");
        foreach (var tensor in tensors)
            grid.Row(tensor.Name, tensor.Datatype, $"[{string.Join(", ", tensor.Shape)}]", tensor.ColumnType, tensor.Example);
        grid.Write(console);
    }
}
