using System.Globalization;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Atoll.Serving;
using Microsoft.Extensions.Options;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction;

/// <summary>Answers raw rows, texts, images or sounds with what the version behind an endpoint predicts for them.</summary>
internal static class Predict
{
    public static async Task HandleAsync(
        HttpContext context, string endpoint, Caller caller, RouteTable routes, ServedModels models, PredictionRunner runner,
        IOptions<PredictionOptions> options, CancellationToken cancellationToken)
    {
        using var rented = PredictionWork.Rent();
        var work = rented.Work;
        if (ReadQuery(context.Request.Query, work, out var selector, out var ignoreUnknown) is { } invalid)
        {
            await ProblemWriter.WriteAsync(context, invalid);
            return;
        }
        var (route, missing) = await FindAsync(routes, caller.TenantId, endpoint, selector, cancellationToken);
        var problem = route is null ? missing : await AnswerAsync(context, route, routes, models, runner, options.Value, ignoreUnknown, work, cancellationToken);
        if (problem is not null)
        {
            await ProblemWriter.WriteAsync(context, problem);
            return;
        }
        context.Response.ContentLength = work.Answer.Length;
        await context.Response.BodyWriter.WriteAsync(work.Answer.Written, cancellationToken);
    }

    /// <summary>The version that an endpoint serves, or why there is none.</summary>
    public static async ValueTask<Outcome<Route>> FindAsync(
        RouteTable routes, string tenantId, string endpoint, string? selector, CancellationToken cancellationToken)
    {
        if (await routes.FindAsync(tenantId, endpoint, selector, cancellationToken) is { } route) return route;
        if (selector is null || await routes.FindAsync(tenantId, endpoint, null, cancellationToken) is not { } served)
            return DeploymentProblems.EndpointNotFound(endpoint);
        return RegistryProblems.VersionNotFound(served.Model, selector);
    }

    private static async ValueTask<Problem?> AnswerAsync(
        HttpContext context, Route route, RouteTable routes, ServedModels models, PredictionRunner runner, PredictionOptions options,
        bool ignoreUnknown, PredictionWork work, CancellationToken cancellationToken)
    {
        var plan = SamplePlan.Of(route);
        if (!plan.CanRead) return PredictionProblems.NotReadable(plan);
        if (await RequestBody.ReadAsync(context, plan, options, ignoreUnknown, work, cancellationToken) is { } invalid) return invalid;

        var csv = work.IsCsv && context.Request.Headers.Accept.ToString().Contains("text/csv", StringComparison.OrdinalIgnoreCase);
        if (work.Explain is not null && FactorSearch.Check(plan, work, csv, options) is { } unexplained) return unexplained;
        return await RunAsync(context, plan, routes, models, runner, csv, work, cancellationToken);
    }

    /// <summary>Predicts the samples that were read, whichever door they came through, and writes the answer; null when that went well.</summary>
    public static async ValueTask<Problem?> RunAsync(
        HttpContext context, SamplePlan plan, RouteTable routes, ServedModels models, PredictionRunner runner, bool csv, PredictionWork work, CancellationToken cancellationToken)
    {
        var route = plan.Route;
        ModelLease lease;
        try
        {
            lease = await models.GetAsync(route, cancellationToken);
        }
        catch (ModelCacheFullException full)
        {
            return models.ExplainRefusal(full, route.TenantId) ?? PredictionProblems.NoRoom();
        }
        catch (ModelLoadException failure)
        {
            // Deleted while the request was on its way: then there is nothing wrong with the server.
            if (await routes.IsGoneAsync(route, cancellationToken)) return RegistryProblems.VersionNotFound(route.Model, $"{route.Version}");
            if (models.Explain(failure, route) is { } broken) return broken;
            throw;
        }
        Problem? problem;
        using (lease) problem = await runner.RunAsync(lease.Session, plan, work, csv, cancellationToken);
        if (problem is null) LoggedPrediction.Keep(context, plan, work, csv);
        if (problem is null) context.Response.ContentType = csv ? "text/csv; charset=utf-8" : "application/json";
        return problem;
    }

    public static Problem? ReadQuery(IQueryCollection query, PredictionWork work, out string? selector, out bool ignoreUnknown)
    {
        selector = null;
        ignoreUnknown = false;
        if (query.Count == 0) return null;
        string? version = query["version"], alias = query["alias"], top = query["top"], explain = query["explain"], unknown = query["unknown"];
        if (version is not null && alias is not null) return HttpProblems.InvalidField("alias", "is given beside a version", "Give one of them.");
        if (version is not null)
        {
            if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                return HttpProblems.InvalidField("version", $"is '{JsonText.Shorten(version)}'", "Expected the number of a version, such as 3; for a name use ?alias=.");

            // Written anew: what is found is remembered by this text.
            selector = number.ToString(CultureInfo.InvariantCulture);
        }
        if (alias is not null)
        {
            if (Platform.Names.Check(alias, "alias") is { } invalid) return invalid;
            if (int.TryParse(alias, out _)) return HttpProblems.InvalidField("alias", $"is '{alias}'", "For the number of a version use ?version=.");
            selector = alias;
        }
        if (top is not null)
        {
            if (!int.TryParse(top, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count < 1)
                return HttpProblems.InvalidField("top", $"is '{JsonText.Shorten(top)}'", "Expected a whole number of at least 1, such as 3.");
            work.Top = count;
        }
        if (explain is not null && explain is not "false")
        {
            var count = FactorSearch.DefaultCount;
            if (explain != "true" && (!int.TryParse(explain, NumberStyles.None, CultureInfo.InvariantCulture, out count) || count < 1))
                return HttpProblems.InvalidField("explain", $"is '{JsonText.Shorten(explain)}'", "Expected true, or how many columns to name, such as 5.");
            work.Explain = count;
        }
        if (unknown is not null && unknown is not ("ignore" or "refuse"))
            return HttpProblems.InvalidField("unknown", $"is '{JsonText.Shorten(unknown)}'", "Use ignore or refuse.");
        ignoreUnknown = unknown == "ignore";
        return null;
    }
}
