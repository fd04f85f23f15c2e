using System.CommandLine;
using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll promote</c>: a version goes to production if its gates hold.</summary>
internal static class PromoteCommand
{
    public static Verb Create()
    {
        var model = new Argument<string>("model") { Description = "Name of the model." };
        var version = new Option<int?>("--version") { Description = "Version to promote. Default: the newest.", HelpName = "number" };
        var to = new Option<string?>("--to") { Description = "Where to: staging or production. Default: production.", HelpName = "environment" };
        to.AcceptOnlyFromAmong(Aliases.Staging, Aliases.Production);
        var gates = new Option<string[]>("--gate") { Description = "A condition on a held-out score, such as accuracy>=0.9 or rmse<=3; may be repeated.", HelpName = "condition" };
        return new Verb(
            "promote", "Move a version of a model to production if its gates hold; exit code 1 if one does not.",
            new("atoll promote leads --gate 'accuracy>=0.9'", "The newest version, if its accuracy is at least 0.9"),
            new("atoll promote leads", "The newest version, if it is at least as good as the one it replaces"),
            new("atoll promote leads --version 3 --to staging", "Version 3 to staging"))
        {
            Arguments = { model }, Options = { version, to, gates },
        }.Does(async (context, cancellationToken) =>
        {
            var request = new PromoteRequest
            {
                Version = context.Get(version),
                To = context.Get(to) ?? Aliases.Production,
                Gates = context.Get(gates) is { Length: > 0 } texts ? [.. texts.Select(ParseGate)] : null,
            };
            var promotion = await context.Client.PromoteAsync(context.Get(model), request, cancellationToken);
            context.Write(promotion, AtollJson.Default.PromotionResponse, console =>
            {
                foreach (var gate in promotion.Gates)
                {
                    console.Write(new Spectre.Console.Text(gate.Held ? "held    " : "failed  ", new Spectre.Console.Style(gate.Held ? Spectre.Console.Color.Green : Spectre.Console.Color.Red)));
                    console.WriteLine(gate.Explanation);
                }
                console.WriteLine(promotion.Promoted
                    ? $"{promotion.Model} version {promotion.Version} is now in {promotion.To}{(promotion.Replaced is { } old && old != promotion.Version ? $", instead of version {old}" : "")}."
                    : $"{promotion.Model} version {promotion.Version} was not promoted; {promotion.To} stays as it was.");
            });
            return promotion.Promoted ? ExitCodes.Done : ExitCodes.Refused;
        });
    }

    internal static GateRequest ParseGate(string text)
    {
        foreach (var (sign, atLeast) in (ReadOnlySpan<(string, bool)>)[(">=", true), ("<=", false)])
        {
            if (text.IndexOf(sign, StringComparison.Ordinal) is not (> 0 and var at)) continue;
            if (!double.TryParse(text.AsSpan(at + 2), NumberStyles.Float, CultureInfo.InvariantCulture, out var bound) || !double.IsFinite(bound)) break;
            var metric = text[..at].Trim();
            return atLeast ? new GateRequest { Metric = metric, AtLeast = bound } : new GateRequest { Metric = metric, AtMost = bound };
        }
        throw new UsageException($"'{text}' is not a gate. Write a score, >= or <=, and a number, in quotes: 'accuracy>=0.9'.");
    }
}
