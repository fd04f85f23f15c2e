using Google.Protobuf;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Atoll.Platform.Grpc;

/// <summary>What a gRPC route answers; read by reflection and health.</summary>
internal sealed record GrpcRoute(ServiceDescriptor Service, string ServiceName);

/// <summary>How module files list the methods of a service.</summary>
internal static class GrpcRoutes
{
    /// <param name="service">What its .proto says.</param>
    /// <param name="name">Another name by which the same service is known.</param>
    public static GrpcServiceBuilder<TService> MapGrpcService<TService>(this IEndpointRouteBuilder app, ServiceDescriptor service, string? name = null)
        where TService : class => new(app, service, name ?? service.FullName);
}

/// <summary>Adds a service's methods to the routes, each at <c>POST /{service}/{method}</c>.</summary>
internal sealed class GrpcServiceBuilder<TService>(IEndpointRouteBuilder app, ServiceDescriptor service, string name)
    where TService : class
{
    public IEndpointConventionBuilder Unary<TRequest, TResponse>(string method, Func<TService, TRequest, ServerCallContext, Task<TResponse>> handler)
        where TRequest : IMessage<TRequest>, new()
        where TResponse : IMessage<TResponse>, new() => Unary(method, Marshaller.Read<TRequest>(), Marshaller.Write<TResponse>(), handler);

    public IEndpointConventionBuilder Unary<TRequest, TResponse>(
        string method, Deserializer<TRequest> requests, Serializer<TResponse> responses, Func<TService, TRequest, ServerCallContext, Task<TResponse>> handler) =>
        Map(method, false, false, new UnaryMethod<TService, TRequest, TResponse>(app.ServiceProvider, requests, responses, handler));

    public IEndpointConventionBuilder ClientStreaming<TRequest, TResponse>(
        string method, Func<TService, IAsyncStreamReader<TRequest>, ServerCallContext, Task<TResponse>> handler)
        where TRequest : IMessage<TRequest>, new()
        where TResponse : IMessage<TResponse>, new() =>
        Map(method, true, false, Streaming(Marshaller.Read<TRequest>(), Marshaller.Write<TResponse>(), async (one, requests, responses, call) =>
            await responses.WriteAsync(await handler(one, requests, call), call.CancellationToken)));

    public IEndpointConventionBuilder ServerStreaming<TRequest, TResponse>(
        string method, Func<TService, TRequest, IServerStreamWriter<TResponse>, ServerCallContext, Task> handler)
        where TRequest : IMessage<TRequest>, new()
        where TResponse : IMessage<TResponse>, new() =>
        Map(method, false, true, Streaming<TRequest, TResponse>(Marshaller.Read<TRequest>(), Marshaller.Write<TResponse>(), async (one, requests, responses, call) =>
            await handler(one, await ((GrpcMessageReader<TRequest>)requests).ReadSingleAsync(call.CancellationToken), responses, call)));

    public IEndpointConventionBuilder DuplexStreaming<TRequest, TResponse>(
        string method, Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task> handler)
        where TRequest : IMessage<TRequest>, new()
        where TResponse : IMessage<TResponse>, new() => DuplexStreaming(method, Marshaller.Read<TRequest>(), Marshaller.Write<TResponse>(), handler);

    public IEndpointConventionBuilder DuplexStreaming<TRequest, TResponse>(
        string method, Deserializer<TRequest> requests, Serializer<TResponse> responses,
        Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task> handler) =>
        Map(method, true, true, Streaming(requests, responses, handler));

    private StreamingMethod<TService, TRequest, TResponse> Streaming<TRequest, TResponse>(
        Deserializer<TRequest> requests, Serializer<TResponse> responses,
        Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task> handler) =>
        new(app.ServiceProvider, requests, responses, handler);

    private IEndpointConventionBuilder Map(string method, bool clientStreams, bool serverStreams, GrpcMethod handler)
    {
        var described = service.FindMethodByName(method);
        if (described is null || described.IsClientStreaming != clientStreams || described.IsServerStreaming != serverStreams)
            throw new InvalidOperationException($"{service.FullName} has no such method {method} in its .proto.");
        return app.MapPost($"/{name}/{method}", handler.HandleAsync).WithMetadata(new GrpcRoute(service, name)).ExcludeFromDescription();
    }
}
